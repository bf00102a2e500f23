"""A node's own policy, as a mod around any ClientApp."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flwr.app import (
    ArrayRecord,
    ConfigRecord,
    Context,
    Message,
    MessageType,
    MetricRecord,
    RecordDict,
)
from flwr.supercore.task_identity import TaskIdentity

from examples.governed_node import client_app
from fedsight.errors import UsageError
from fedsight.federated.faults import REFUSED_BY_NODE
from fedsight.federated.node.governed import GovernedMod, OwnRules, governed_mod
from fedsight.policy import Decision, Request
from fedsight.policy.audit import PublicKey, verify
from fedsight.policy.audit.exporting import records
from fedsight.policy.files import init

SIZE = 4
PLAN = {"task": "digits", "rounds": 5, "min_clients": 4, "fraction": 0.5, "quorum": 0}


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    init(tmp_path / "rules", of_node=True)
    return tmp_path / "rules"


def limit(rules: Path, line: str) -> None:
    """Set one limit anew."""
    numbers = rules / "federation.toml"
    key = line.split(" ")[0]
    kept = [one for one in numbers.read_text().splitlines() if not one.startswith(f"{key} =")]
    numbers.write_text("\n".join([*kept, line]))


def asked(kind: str = MessageType.TRAIN) -> Message:
    """A message of round 3 with a model of four values."""
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 7, 1, 1
    arrays = ArrayRecord([np.zeros(SIZE, np.float32)])
    content = RecordDict({"arrays": arrays, "config": ConfigRecord({"server-round": 3})})
    return Message(content, 9, kind)


def context(**config: Any) -> Context:
    node = {"name": "hospital-a", "tags": "gpu, edge"}
    return Context(7, 9, node, RecordDict(), {**PLAN, **config})


def reason(answer: Message) -> str:
    assert answer.has_error()
    assert answer.error.code == REFUSED_BY_NODE
    return answer.error.reason or ""


def test_the_example_takes_part_and_refuses_as_its_rules_say(rules: Path, tmp_path: Path) -> None:
    app = client_app(str(rules), str(tmp_path / "data"))
    answer = app(asked(), context())
    assert answer.content.array_records["arrays"].to_numpy_ndarrays()[0].tolist() == [1.0] * SIZE
    limit(rules, 'tasks = ["mnist"]')
    said = reason(app(asked(), context()))
    assert said == (
        "refused by the node's own policy: this node does not do this task, or was not told which"
        " it is"
    )
    limit(rules, 'tasks = ["digits"]')
    limit(rules, "max_update_norm = 1.9")
    assert "the update's norm is above this node's bound" in reason(app(asked(), context()))
    kept = [one.body for one in records(tmp_path / "data" / "audit", kind="decision")]
    told = [(one["request"]["action"], one["allowed"], one["rules"]) for one in kept]
    assert told == [
        ("train", True, ["node.takes-part"]),
        ("shareModel", True, ["node.shares"]),
        ("train", False, ["node.other-task"]),
        ("train", True, ["node.takes-part"]),
        ("shareModel", False, ["node.update-norm-too-large"]),
    ]
    update = kept[1]["request"]
    assert update["principal"]["id"] == "hospital-a"
    assert (update["run"], update["round"]) == ("7", 3)
    assert update["resource"]["attributes"]["norm"] == 2.0
    assert update["resource"]["attributes"]["size_bytes"] > 4 * SIZE


@pytest.mark.parametrize(
    ("line", "config", "said"),
    [
        ('superlinks = ["fl.example.org:8000"]', {}, "does not work for this SuperLink"),
        ("max_model_bytes = 10", {}, "the model is larger than this node takes"),
        ("max_rounds = 4", {}, "the run is longer"),
        ("max_rounds = 4", {"rounds": True}, "or did not tell how long it is"),
        ("min_clients = 3", {}, "too few updates become one model"),
        ("min_clients = 2", {"quorum": 1}, "too few updates become one model"),
        ("min_clients = 2", {"min_clients": "many"}, "or the run did not tell how many"),
        ("max_update_bytes = 10", {}, "the update is larger than this node sends"),
        ("weekdays = []", {}, "outside this node's training window"),
        ('opens = "25:99"', {}, "opens must be"),
    ],
)
def test_each_limit_refuses_with_its_reason(
    rules: Path, tmp_path: Path, line: str, config: dict[str, Any], said: str
) -> None:
    limit(rules, line)
    app = client_app(str(rules), str(tmp_path / "data"))
    assert said in reason(app(asked(), context(**config)))


@pytest.mark.parametrize(
    ("line", "config"),
    [
        ("max_rounds = 5", {}),
        ("min_clients = 2", {}),
        ("max_update_norm = 2.0", {}),
        ("min_clients = 2", {"min_clients": 3}),
    ],
)
def test_what_is_within_a_limit_is_done(
    rules: Path, tmp_path: Path, line: str, config: dict[str, Any]
) -> None:
    limit(rules, line)
    app = client_app(str(rules), str(tmp_path / "data"))
    assert not app(asked(), context(**config)).has_error()


def test_the_window_has_a_time_zone(rules: Path, tmp_path: Path) -> None:
    limit(rules, 'opens = "12:00"')
    limit(rules, 'closes = "13:00"')
    noon = 1_795_694_400 * 10**9

    def app(message: Message, _: Context) -> Message:
        return Message(message.content, reply_to=message)

    own = OwnRules(rules, tmp_path / "data")
    mod = GovernedMod(own, now=lambda: noon)
    assert not mod(asked(), context(), app).has_error()
    limit(rules, 'time_zone = "Europe/Berlin"')
    numbers = rules / "federation.toml"
    lines = numbers.read_text().splitlines()
    numbers.write_text("\n".join([lines[-1], *lines[:-1]]))
    assert "training window" in reason(mod(asked(), context(), app))
    own.close()
    found = verify(tmp_path / "data" / "audit", PublicKey.read(tmp_path / "data/keys/audit.pub"))
    assert found.ok


def test_it_asks_for_everything_and_sees_arrays_in_any_answer(rules: Path, tmp_path: Path) -> None:
    ran = list[str]()

    def app(message: Message, _: Context) -> Message:
        ran.append(message.metadata.message_type)
        content = RecordDict({"other": ArrayRecord([np.zeros(2, np.float32)])})
        return Message(content, reply_to=message)

    limit(rules, "max_update_norm = 100.0")
    mod = governed_mod(rules, tmp_path / "data")
    for kind in (MessageType.TRAIN, MessageType.EVALUATE, "query.means", "train.twice"):
        assert "or could not be measured" in reason(mod(asked(kind), context(), app))
    assert len(ran) == 4
    kept = [one.body["request"] for one in records(tmp_path / "data" / "audit", kind="decision")]
    assert [one["action"] for one in kept[::2]] == ["train", "evaluate", "participate", "train"]


@pytest.mark.parametrize(
    "record",
    [
        ConfigRecord({"weights": bytes(400)}),
        ConfigRecord({"weights": "0" * 400}),
        ConfigRecord({"weights": [bytes(200), bytes(200)]}),
        MetricRecord({"weights": [0.5] * 50}),
    ],
)
def test_what_leaves_in_other_records_is_seen_as_well(
    rules: Path, tmp_path: Path, record: ConfigRecord | MetricRecord
) -> None:
    def app(message: Message, _: Context) -> Message:
        figures = MetricRecord({"loss": 0.1, "num-examples": 3})
        return Message(RecordDict({"more": record, "metrics": figures}), reply_to=message)

    mod = governed_mod(rules, tmp_path / "data")
    assert not mod(asked(MessageType.EVALUATE), context(), app).has_error()
    limit(rules, "max_update_bytes = 399")
    assert "larger than this node sends" in reason(mod(asked(), context(), app))
    limit(rules, "max_update_bytes = 400")
    assert not mod(asked(), context(), app).has_error()
    limit(rules, "max_update_norm = 100.0")
    assert "or could not be measured" in reason(mod(asked(), context(), app))


def test_the_norm_of_complex_numbers_is_not_known(rules: Path, tmp_path: Path) -> None:
    def app(message: Message, _: Context) -> Message:
        hidden = ArrayRecord([np.full(SIZE, 1e9j, np.complex64)])
        return Message(RecordDict({"arrays": hidden}), reply_to=message)

    limit(rules, "max_update_norm = 100.0")
    mod = governed_mod(rules, tmp_path / "data")
    assert "or could not be measured" in reason(mod(asked(), context(), app))


def test_a_set_of_a_federation_is_none_of_a_node(tmp_path: Path) -> None:
    init(tmp_path / "rules")
    app = client_app(str(tmp_path / "rules"), str(tmp_path / "data"))
    assert "fedsight policy init DIR --node" in reason(app(asked(), context()))
    gone = client_app(str(tmp_path / "nowhere"), str(tmp_path / "data"))
    assert "cannot be read" in reason(gone(asked(), context()))


def test_observing_refuses_nothing(rules: Path, tmp_path: Path) -> None:
    limit(rules, 'tasks = ["mnist"]')
    mod = governed_mod(rules, tmp_path / "data", observe=True)
    done = mod(asked(), context(), lambda message, _: Message(RecordDict(), reply_to=message))
    assert not done.has_error()
    (kept,) = records(tmp_path / "data" / "audit", kind="decision")
    assert kept.body["observed"]


def test_a_service_is_asked_as_the_client_that_it_is() -> None:
    asked_for = list[Request]()

    class Service:
        def decide_all(self, requests: list[Request]) -> list[Decision]:
            asked_for.extend(requests)
            return [Decision(False, (), ("no",), "", "") for _ in requests]

    mod = GovernedMod(Service(), remote=True)  # type: ignore[arg-type]
    assert reason(mod(asked(), context(), lambda *_: asked())).endswith("policy: no")
    who = asked_for[0].principal
    assert (who.id, who.attributes["capabilities"]) == ("hospital-a", ("gpu", "edge"))
    assert who.attributes["memory_mb"] > 0


def test_a_token_goes_to_another_machine_by_https_alone(tmp_path: Path) -> None:
    for there in ("http://policy.example.org:5000", "http://127.0.0.1@policy.example.org"):
        with pytest.raises(UsageError, match="in the clear"):
            governed_mod(there, tmp_path, token="t")
    governed_mod("https://policy.example.org", tmp_path, token="t")
    governed_mod("http://127.0.0.1:5000", tmp_path, token="t")
