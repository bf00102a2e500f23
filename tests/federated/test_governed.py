from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict

from fedsight.federated import codec
from fedsight.federated.clients import told
from fedsight.federated.fleet import NodeView
from fedsight.federated.rounds.control import RunStoppedError
from fedsight.policy import Engine
from fedsight.policy.audit import SigningKey, Trail, verify
from fedsight.policy.audit.exporting import records
from tests.federated.grounds import Ground, grid
from tests.federated.rounds.script import add_id, failing
from tests.policy.asked import NOON, changed


@pytest.fixture
def trail(tmp_path: Path) -> Iterator[Trail]:
    with Trail(tmp_path / "trail", SigningKey.open(tmp_path / "key")) as one:
        yield one


def test_whoever_is_no_member_takes_no_part_and_is_told_why() -> None:
    ground = Ground(changed({"members": '["client-1", "client-3"]'}))
    assert ground.run(grid(3), 1) == 2.0
    assert ground.mean.shown == [[1, 3]]
    ((kind, round_, node, details),) = ground.said.events
    assert (kind, round_, node) == ("CLIENT_REFUSED", 1, "client-2")
    assert details["message"] == "not a member of the federation"
    assert details["rules"] == ["client.not-a-member"]
    assert details["version"] == ground.engine.version


def test_a_client_whose_trust_falls_below_takes_no_part_from_the_next_round_on(
    trail: Trail, tmp_path: Path
) -> None:
    current = 0

    def answer(message: Message) -> Message:
        bad = message.metadata.dst_node_id == 3 and current >= 5
        return failing({3})(message) if bad else add_id(message)

    ground = Ground(changed({"min_trust": "0.89"}), trail=trail)
    for _ in range(16):
        for name in ("client-1", "client-2", "client-3"):
            ground.trust.note(name, "answered", NOON)

    def evaluate(round_: int, _: ArrayRecord) -> MetricRecord:
        nonlocal current
        current = round_ + 1
        return MetricRecord({"accuracy": round_ / 10})

    ground.run(grid(3, answer), 8, evaluate)
    assert ground.mean.senders[3:] == [[1, 2, 3], [1, 2], [1, 2], [1, 2], [1, 2]]
    assert ground.trust.score("client-3", NOON) == pytest.approx(24 / 27)
    refused = [(kind, round_) for kind, round_, node, _ in ground.said.events if node]
    assert refused == [("CLIENT_REFUSED", 6), ("CLIENT_REFUSED", 7), ("CLIENT_REFUSED", 8)]
    fell = [one for one in ground.changes if one.client == "client-3" and one.weight < 0]
    assert [(one.round, one.cause) for one in fell] == [(5, "failed")]
    kept = [one.body for one in records(trail.folder, kind="decision")]
    assert {one["request"]["action"] for one in kept} == {
        "startRun",
        "nextRound",
        "train",
        "shareModel",
    }
    trail.sign()
    assert verify(trail.folder, SigningKey.open(tmp_path / "key").public).ok


def test_a_run_that_policy_does_not_let_start_says_why() -> None:
    ground = Ground(changed({"max_rounds": "5"}), rounds=10)
    with pytest.raises(RunStoppedError, match="the policy does not let the run start: the run is"):
        ground.run(grid(3), 10)
    assert ground.kinds() == ["ROUND_POLICY_DENIED"]
    assert ground.mean.shown == []


def test_a_run_without_improvement_is_stopped() -> None:
    ground = Ground(changed({"max_stale_rounds": "3"}))

    def evaluate(round_: int, _: ArrayRecord) -> MetricRecord:
        return MetricRecord({"accuracy": min(round_, 2) / 10})

    with pytest.raises(RunStoppedError, match="round 6 begin: too many rounds went by without"):
        ground.run(grid(3), 10, evaluate)
    assert len(ground.mean.senders) == 5


def test_a_round_with_too_few_clients_does_not_begin() -> None:
    ground = Ground(changed({"min_clients": "3", "members": '["client-1", "client-2"]'}))
    with pytest.raises(RunStoppedError, match="fewer clients may train than"):
        ground.run(grid(3), 10)


def test_an_update_is_judged_by_its_real_size_and_norm() -> None:
    ground = Ground(changed({"max_update_norm": "2.0"}))
    assert ground.run(grid(3), 1) == 1.5
    ((kind, _, node, details),) = ground.said.events
    assert (kind, node, details["action"]) == ("CLIENT_REFUSED", "client-3", "shareModel")
    assert details["rules"] == ["share.norm-too-large"]
    causes = {one.client: one.cause for one in ground.changes if one.cause != "contributed"}
    assert causes == {"client-1": "answered", "client-2": "answered", "client-3": "refused"}
    small = Ground(changed({"max_model_bytes": "3", "small_model_bytes": "3"}))
    with pytest.raises(Exception, match="no node returned a usable update"):
        small.run(grid(3), 1)


def test_an_update_that_cannot_be_read_is_no_reason_to_stop() -> None:
    def answer(message: Message) -> Message:
        if message.metadata.dst_node_id != 2:
            return add_id(message)
        content = RecordDict({codec.ARRAYS: codec.pack(np.full(1, np.nan, np.float32))})
        content["metrics"] = MetricRecord({"num-examples": 1})
        return Message(content, reply_to=message)

    ground = Ground(changed())
    assert ground.run(grid(3, answer), 1) == 2.0
    causes = {one.client: one.cause for one in ground.changes if one.cause != "contributed"}
    assert causes["client-2"] == "rejected"


def test_suspected_updates_count_against_a_client() -> None:
    ground = Ground(changed(), suspected=lambda name: name == "client-2")
    ground.run(grid(3), 2)
    assert ground.trust.score("client-2", NOON) < 0.5 < ground.trust.score("client-1", NOON)


def test_a_node_that_does_not_tell_what_the_rules_want_is_refused() -> None:
    ground = Ground(changed(), facts=told)
    with pytest.raises(RunStoppedError, match="fewer clients may train"):
        ground.run(grid(2), 1)
    assert "lacks cpu_count, memory_mb" in ground.said.events[0][3]["message"]
    properties = {"cpu_count": 4, "memory_gb": 16.5, "data_samples": 120, "other": True}
    node = NodeView(1, "a", tags=("gpu",), properties=properties)
    assert told(node) == {
        "capabilities": ("gpu",),
        "cpu_count": 4,
        "memory_mb": 16_500,
        "samples": 120,
    }


def test_observing_refuses_nobody_and_says_whom_it_would() -> None:
    ground = Ground(changed({"members": '["client-1"]'}), observe=True)
    assert ground.run(grid(3), 1) == 2.0
    assert set(ground.kinds()) == {"POLICY_OBSERVED"}


def test_a_changed_policy_counts_from_the_next_round_on() -> None:
    ground = Ground(changed())

    def evaluate(round_: int, _: ArrayRecord) -> MetricRecord:
        if round_ == 1:
            ground.engine = Engine(changed({"members": '["client-1"]'}))
        return MetricRecord({"accuracy": round_ / 10})

    ground.run(grid(3), 3, evaluate)
    assert ground.mean.senders == [[1, 2, 3], [1], [1]]


def test_it_goes_on_from_its_state() -> None:
    ground = Ground(changed({"max_stale_rounds": "3"}))
    ground.governance.evaluated({"loss": 1.0})
    ground.governance.evaluated({"loss": 1.5})
    ground.governance.evaluated({"loss": float("nan")})
    again = Ground(changed({"max_stale_rounds": "3"}))
    again.strategy.load(ground.strategy.state())
    again.governance.evaluated({"loss": 1.2})
    assert again.governance.may_go_on(4, 3) is None
    again.governance.evaluated({"accuracy": -2.0})
    denial = again.governance.may_go_on(5, 3)
    assert denial is not None
    assert "without a better model" in denial.message


BUDGET = {"epsilon_budget": "8.0"}


def test_a_privacy_budget_limits_no_run_without_differential_privacy() -> None:
    ground = Ground(changed(BUDGET))
    assert ground.run(grid(3), 2) == 4.0
    assert ground.kinds() == []


def test_in_one_that_has_it_whoever_tells_no_figure_is_refused_and_so_is_the_round() -> None:
    ground = Ground(changed(BUDGET), private=True)
    with pytest.raises(
        RunStoppedError, match="round 1 begin: the run's privacy budget is spent, or"
    ):
        ground.run(grid(3), 2)
    told = {
        details["message"] for kind, *_, details in ground.said.events if kind == "CLIENT_REFUSED"
    }
    assert told == {"its privacy budget is spent, or nobody knows how much of it"}


def test_a_federation_may_demand_it() -> None:
    rule = """
    @id("run.without-privacy") @reason("this federation trains with differential privacy only")
    forbid (principal, action == FL::Action::"startRun", resource is FL::Run)
    unless { resource has private && resource.private };
    """
    with pytest.raises(RunStoppedError, match="with differential privacy only"):
        Ground(changed(own=rule)).run(grid(3), 1)


@pytest.mark.parametrize("count", [1_000_000, 1e6])
def test_an_update_is_judged_by_the_samples_that_it_says_it_stands_for(count: float) -> None:
    def answer(message: Message) -> Message:
        reply = add_id(message)
        if message.metadata.dst_node_id == 2:
            reply.content["metrics"] = MetricRecord({"num-examples": count})
        return reply

    rule = (
        '@id("own.too-heavy") @reason("it weighs too much")\n'
        'forbid (principal is FL::Client, action == FL::Action::"shareModel", resource)\n'
        "when { principal has samples && principal.samples > 1000 };"
    )
    ground = Ground(changed(own=rule))
    assert ground.run(grid(3, answer), 1) == 2.0
    assert ground.mean.senders == [[1, 3]]
    assert [node for _, _, node, _ in ground.said.events] == ["client-2"]


def test_the_set_that_decides_is_told_and_each_other_one_from_its_round_on() -> None:
    first, then = changed({"min_trust": "0.2"}), changed({"min_trust": "0.3"})
    told: list[tuple[int, str, str]] = []
    ground = Ground(first, on_set=lambda *one: told.append(one))

    def evaluate(round_: int, _: ArrayRecord) -> MetricRecord:
        if round_ == 2:
            ground.engine = Engine(then)
        return MetricRecord({"accuracy": round_ / 10})

    ground.run(grid(2), 4, evaluate)
    assert told == [(1, first.version, ""), (3, then.version, first.version)]
    again = Ground(then, on_set=lambda *one: told.append(one))
    again.strategy.load(ground.strategy.state())
    again.run(grid(2), 1)
    assert len(told) == 2  # a run that goes on by the same set has told it
