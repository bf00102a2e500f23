import re
import time
from collections.abc import Sequence

import numpy as np
import pytest
from flwr.app import ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.clientapp import ClientApp

from fedsight.federated import codec
from fedsight.federated.algorithms import strategy as algorithm
from fedsight.federated.engines import local_grid
from fedsight.federated.engines.local_grid import LocalGrid, sites
from fedsight.federated.plan import AlgorithmPlan


def echo_app(seen: list[int], seconds: float = 0.0) -> ClientApp:
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Context) -> Message:
        seen.append(int(context.node_config["partition-id"]))
        time.sleep(seconds)
        if context.node_config["partition-id"] == 2:
            raise RuntimeError("no memory left")
        return Message(message.content, reply_to=message)

    return app


def messages(grid: LocalGrid) -> list[Message]:
    arrays: ArrayRecord = codec.pack(np.zeros(2, dtype=np.float32))
    return algorithm(AlgorithmPlan()).configure_train(1, arrays, ConfigRecord(), grid)


def test_nodes_take_turns_and_reply_in_partition_order_whatever_the_order_asked() -> None:
    seen: list[int] = []
    grid = LocalGrid(echo_app(seen), sites(4, {}))
    replies = grid.send_and_receive(reversed(messages(grid)))
    assert seen == [0, 1, 2, 3]
    assert [reply.metadata.src_node_id for reply in replies] == grid.get_node_ids()
    assert [grid.name(node_id) for node_id in grid.get_node_ids()][2] == "client-2"


def test_a_node_that_raises_answers_with_its_message_and_the_round_goes_on() -> None:
    grid = LocalGrid(echo_app([]), sites(4, {}))
    replies = grid.send_and_receive(messages(grid))
    assert [reply.has_error() for reply in replies] == [False, False, True, False]
    assert replies[2].error.reason is not None
    assert re.fullmatch(
        r"RuntimeError: no memory left \(test_local_grid.py:\d+\)", replies[2].error.reason
    )


def test_a_node_that_exits_is_a_node_that_failed() -> None:
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Context) -> Message:
        raise SystemExit(3)

    (reply,) = (grid := LocalGrid(app, sites(1, {}))).send_and_receive(messages(grid))
    assert reply.error.reason is not None
    assert reply.error.reason.startswith("SystemExit: 3")


def test_turns_follow_each_other_on_one_clock() -> None:
    grid = LocalGrid(echo_app([], 0.002), sites(4, {}))
    asked = messages(grid)
    grid.send_and_receive(asked)
    turns = [grid.turn(message.metadata.message_id) for message in asked]
    moments = [moment for turn in turns if turn for moment in (turn.start, turn.end)]
    assert len(moments) == 8
    assert moments == sorted(moments)
    assert abs(moments[0] / 1e9 - time.time()) < 60


def test_turns_of_nodes_that_are_always_in_line_do_not_pile_up() -> None:
    grid = LocalGrid(echo_app([]), sites(2, {}))
    first = grid.push_messages(messages(grid))[0]
    for _ in range(local_grid._MOST_TURNS + 5):
        (reply,) = grid.pull_messages(grid._line)
        assert grid.turn(reply.metadata.reply_to_message_id) is not None
        at = grid.get_node_ids().index(reply.metadata.src_node_id)
        grid.push_messages([messages(grid)[at]])
    assert len(grid._turns) == local_grid._MOST_TURNS
    assert grid.turn(first) is None


def test_nodes_whose_turn_comes_after_the_timeout_do_not_reply() -> None:
    seen: list[int] = []
    grid = LocalGrid(echo_app(seen, 0.2), sites(4, {}))
    assert len(grid.send_and_receive(messages(grid), timeout=0.1)) == 1
    assert seen == [0]


class Ahead:
    """Has answers for some nodes."""

    def __init__(self, ready: set[int]) -> None:
        self.ready = ready
        self.asked: list[list[int]] = []

    def prepare(self, messages: Sequence[Message]) -> set[int]:
        self.asked.append([message.metadata.dst_node_id for message in messages])
        return self.ready


def test_what_is_done_ahead_of_turns_sees_the_round_once_in_order_and_has_no_turns() -> None:
    ahead = Ahead({1000, 1003})
    grid = LocalGrid(echo_app([]), sites(4, {}), ahead=ahead)
    asked = messages(grid)
    grid.send_and_receive(reversed(asked))
    assert ahead.asked == [grid.get_node_ids()]
    turns = [grid.turn(message.metadata.message_id) for message in asked]
    assert [turn is None for turn in turns] == [True, False, False, True]


def test_what_was_prepared_in_time_is_answered_after_the_timeout_too() -> None:
    seen: list[int] = []
    grid = LocalGrid(echo_app(seen, 0.2), sites(4, {}), ahead=Ahead({1003}))
    assert len(grid.send_and_receive(messages(grid), timeout=0.1)) == 2
    assert seen == [0, 3]


def test_pushed_messages_can_be_pulled_once() -> None:
    grid = LocalGrid(echo_app([]), sites(2, {}))
    ids = grid.push_messages(messages(grid))
    assert len(grid.pull_messages(ids[1:])) == 1
    assert len(grid.pull_messages(ids)) == 1
    assert grid.pull_messages(ids) == []


def test_mods_get_a_content_of_their_own() -> None:
    def spoil(message: Message, context: Context, call_next: object) -> Message:
        message.content["extra"] = ConfigRecord({"by": context.node_id})
        return call_next(message, context)  # type: ignore[operator, no-any-return]

    app = ClientApp(mods=[spoil])  # type: ignore[list-item]

    @app.train()
    def train(message: Message, context: Context) -> Message:
        return Message(message.content, reply_to=message)

    grid = LocalGrid(app, sites(3, {}))
    asked = messages(grid)
    replies = grid.send_and_receive(asked)
    found = [reply.content["extra"]["by"] for reply in replies]  # type: ignore[index]
    assert found == grid.get_node_ids()


def test_a_context_keeps_a_nodes_state_between_rounds() -> None:
    app = ClientApp()

    @app.train()
    def train(message: Message, context: Context) -> Message:
        before = context.state.config_records.get("count", ConfigRecord({"n": 0}))
        context.state["count"] = ConfigRecord({"n": before["n"] + 1})  # type: ignore[operator]
        return Message(RecordDict({"count": context.state["count"]}), reply_to=message)

    grid = LocalGrid(app, sites(1, {}))
    for expected in (1, 2, 3):
        (reply,) = grid.send_and_receive(messages(grid))
        assert reply.content["count"]["n"] == expected  # type: ignore[index]


def test_a_grid_without_a_flower_run_says_so() -> None:
    with pytest.raises(RuntimeError, match="set_run"):
        _ = LocalGrid(echo_app([]), sites(1, {})).run
