"""Several training processes on one SuperLink, and its absence from under one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flwr.app import ConfigRecord, Message, RecordDict

from fedsight.door.serving import listening
from fedsight.federated.link.caller import Place
from fedsight.federated.link.grid import LinkGrid
from fedsight.federated.link.lost import LinkLostError, RunReplacedError
from fedsight.federated.link.superlink import SuperLink, SuperLinkOptions
from fedsight.federated.node.allowed import TASKS_VARIABLE
from tests.federated.faults.ground import plan, running
from tests.federated.faults.paced import COUNTING, FOLDER, Pace
from tests.federated.link.fleet import introducing, nodes
from tests.federated.link.warm_nodes import warm_node

ALEMBIC = "ignore:No path_separator found:DeprecationWarning"


@pytest.fixture
def pace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pace:
    """Holds up what nodes of this process train."""
    pace = Pace(tmp_path / "pace")
    monkeypatch.setenv(FOLDER, str(pace.folder))
    monkeypatch.setenv(TASKS_VARIABLE, COUNTING)
    return pace


def asked(word: str, node_id: int) -> Message:
    return Message(RecordDict({"config": ConfigRecord({"word": word})}), node_id, "train")


def word(answer: Message) -> object:
    return answer.content["config"]["word"]


def test_two_trainers_do_not_mix(superlink: SuperLink) -> None:
    place = Place(superlink.address)
    with (
        nodes(str(superlink.address), introducing("a", 0), introducing("b", 1)) as fleet,
        LinkGrid(place, {"who": "one"}) as one,
        LinkGrid(place, {"who": "two"}) as two,
    ):
        assert one.run.run_id != two.run.run_id
        assert one.run.fab_hash != two.run.fab_hash
        ids = [node.node_id for node in fleet]
        first = one.push_messages([asked(f"one {at}", at) for at in ids])
        second = two.push_messages([asked(f"two {at}", at) for at in ids])
        assert two.pull_messages(first) == []
        deadline = time.monotonic() + 20
        answers: dict[str, set[object]] = {"one": set(), "two": set()}
        while time.monotonic() < deadline and any(len(found) < 2 for found in answers.values()):
            answers["one"] |= {word(each) for each in one.pull_messages(first)}
            answers["two"] |= {word(each) for each in two.pull_messages(second)}
            time.sleep(0.02)
        for who, found in answers.items():
            assert found == {f"{who} {at}" for at in ids}
        for node in fleet:
            assert set(node.runs) == {one.run.run_id, two.run.run_id}


def test_one_trainer_s_end_is_not_the_other_s(superlink: SuperLink) -> None:
    place = Place(superlink.address)
    with (
        nodes(str(superlink.address), introducing("a", 0)) as (node,),
        LinkGrid(place, {}) as one,
    ):
        with LinkGrid(place, {}) as two:
            assert two.get_node_ids() == [node.node_id]
        (answer,) = one.send_and_receive([asked("still", node.node_id)], timeout=20)
        assert word(answer) == "still"


def test_a_message_for_nobody_is_not_taken(superlink: SuperLink) -> None:
    with LinkGrid(Place(superlink.address), {}) as grid:
        assert grid.push_messages([asked("hello", 12345)]) == [""]
        assert grid.send_and_receive([asked("hello", 12345)], timeout=5) == []


class Restarts:
    """A SuperLink at one port that can be away."""

    def __init__(self, database: Path | None) -> None:
        first = listening("127.0.0.1", 0)
        self._port = first.getsockname()[1]
        self._database = database
        self.link = SuperLink(self._options(), first)
        self.link.start()

    def _options(self) -> SuperLinkOptions:
        return SuperLinkOptions(port=self._port, database=self._database)

    def end(self) -> None:
        self.link.stop()

    def begin(self) -> None:
        self.link = SuperLink(self._options())
        self.link.start()


@contextmanager
def restarting(database: Path | None = None) -> Iterator[Restarts]:
    restarts = Restarts(database)
    try:
        yield restarts
    finally:
        restarts.end()


def within(seconds: float, found: Callable[[], bool]) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_run_whose_superlink_forgot_it_is_replaced(tmp_path: Path) -> None:
    waits: list[str] = []
    with restarting() as restarts:
        place = Place(restarts.link.address)
        with (
            warm_node(restarts.link.address, tmp_path, "client-7", partition=7, partitions=9),
            LinkGrid(place, {}, on_wait=waits.append) as grid,
        ):
            within(20, lambda: [node.name for node in grid.nodes()] == ["client-7"])
            old = grid.run.run_id
            restarts.end()
            again = threading.Timer(1.0, restarts.begin)
            again.start()
            with pytest.raises(RunReplacedError) as caught:
                grid.get_node_ids()
            again.join()
            assert (caught.value.old, caught.value.new) == (old, grid.run.run_id)
            assert old != grid.run.run_id
            assert any("does not answer" in said for said in waits)

            def back() -> bool:
                return [(each.name, each.online) for each in grid.nodes()] == [("client-7", True)]

            within(20, back)
            (view,) = grid.nodes()
            assert (view.partition, view.kind) == (7, "warm")


def test_whoever_waits_for_an_answer_that_was_lost_learns_of_it(superlink: SuperLink) -> None:
    with (
        nodes(str(superlink.address), introducing("a", 0)) as fleet,
        LinkGrid(Place(superlink.address), {}) as grid,
    ):
        grid.nodes()
        (lost,) = grid.push_messages([asked("x", fleet[0].node_id)])
        replaced = grid._replaced("as after a restart")  # met by another thread's call
        with pytest.raises(RunReplacedError) as caught:
            grid.pull_messages([lost])
        assert (caught.value.old, caught.value.new) == (replaced.old, grid.run.run_id)
        assert grid.pull_messages([lost]) == []


@pytest.mark.filterwarnings(ALEMBIC)
def test_a_superlink_with_a_database_keeps_the_run(tmp_path: Path) -> None:
    with restarting(tmp_path / "state.db") as restarts:
        place = Place(restarts.link.address)
        with (
            warm_node(restarts.link.address, tmp_path, "client-1", partition=1, partitions=2),
            LinkGrid(place, {}) as grid,
        ):
            within(20, lambda: [node.name for node in grid.nodes()] == ["client-1"])
            old = grid.run.run_id
            restarts.end()
            again = threading.Timer(1.0, restarts.begin)
            again.start()
            assert len(grid.get_node_ids()) == 1
            again.join()
            assert grid.run.run_id == old


def test_a_superlink_that_stays_away_is_waited_for_so_long(tmp_path: Path) -> None:
    waits: list[str] = []
    with restarting() as restarts:
        grid = LinkGrid(Place(restarts.link.address), {}, wait_seconds=1.5, on_wait=waits.append)
        restarts.end()
        began = time.monotonic()
        with pytest.raises(LinkLostError, match=r"has not answered for 1\.5 s"):
            grid.push_messages([asked("x", 1)])
        assert 1.4 < time.monotonic() - began < 3
        assert len(waits) == 1
        grid.close("failed")


def test_a_wait_ends_when_it_is_told_to() -> None:
    class ToldError(Exception):
        pass

    def idle(_: float) -> None:
        raise ToldError

    with restarting() as restarts:
        grid = LinkGrid(Place(restarts.link.address), {}, on_idle=idle)
        restarts.end()
        with pytest.raises(ToldError):
            grid.get_node_ids()
        grid.close("stopped")


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.filterwarnings(ALEMBIC)
def test_a_superlink_that_is_away_longer_than_a_round_may_take_costs_no_round(
    pace: Pace, tmp_path: Path
) -> None:
    asked = plan(nodes=1, rounds=2, timeout_seconds=4.0)
    pace.hold("train-0")
    with (
        restarting(tmp_path / "superlink.sqlite") as restarts,
        warm_node(restarts.link.address, tmp_path, partition=0, partitions=1),
        running(str(restarts.link.address), tmp_path, asked) as run,
    ):
        pace.wait("train-0")
        restarts.end()
        within(30, lambda: bool(run.waits))
        pace.release("train-0")
        time.sleep(5.0)
        restarts.begin()
        outcome = run.outcome()
        failed = run.events("CLIENT_FAILED")
        told = [str(event.details["message"]) for event in run.events("ROUND_WAITING")]
    assert (outcome.state, outcome.rounds, failed) == ("finished", 2, [])
    assert "does not answer" in told[0]
    assert "answers again, after" in told[1]
    assert any("answers again" in wait for wait in run.waits)
