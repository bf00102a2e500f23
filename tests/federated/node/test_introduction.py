"""How nodes introduce themselves, warm or Flower's own."""

from __future__ import annotations

from flwr.app import ConfigRecord, Context, Message, RecordDict
from flwr.app.user_config import UserConfig
from flwr.clientapp import ClientApp
from flwr.supercore.task_identity import TaskIdentity

from fedsight.federated.node.introduction import (
    asks_for_introduction,
    introduce,
    introduced,
    introduction,
)


def question(content: RecordDict | None = None, kind: str = "query") -> Message:
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 1, 1, 1
    empty = RecordDict({"config": ConfigRecord()})
    message = Message(empty if content is None else content, 7, kind)
    message.metadata.__dict__["_message_id"] = "m"
    return message


def context(config: UserConfig) -> Context:
    return Context(1, 7, config, RecordDict(), {})


def test_an_app_answers_who_its_node_is() -> None:
    app = ClientApp()
    introduce(app, lambda: 120)
    config: UserConfig = {"name": "a", "partition-id": 3, "num-partitions": 4, "kind": "warm"}
    told = introduced(app(question(), context(config)))
    assert (told["name"], told["partition-id"], told["kind"]) == ("a", 3, "warm")
    assert told["data-samples"] == 120
    assert set(told) >= {"tags", "cpu-count", "memory-gb"}


def test_what_is_not_known_is_absent_and_flowers_own_nodes_are_stock() -> None:
    told = introduced(introduction(question(), context({"partition-id": 0})))
    assert (told["kind"], told["name"], told["partition-id"]) == ("stock", "", 0)
    assert "data-samples" not in told
    assert "bandwidth-mbps" not in told
    assert introduced(introduction(question(), context({})))["partition-id"] == -1


def test_only_the_question_of_ours_asks_for_it() -> None:
    assert asks_for_introduction(question())
    assert not asks_for_introduction(question(kind="train"))
    assert not asks_for_introduction(question(RecordDict()))
    assert not asks_for_introduction(question(RecordDict({"config": ConfigRecord({"lr": 1})})))
    assert introduced(question()) == {}
