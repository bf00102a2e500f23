"""The FL monitor against a foreign server, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from fedsight.collector.monitors.asking import Asking
from fedsight.collector.monitors.contract import AwayError, ForeignAnswerError, Found
from fedsight.collector.monitors.fl_answers import FlServerState
from fedsight.collector.monitors.fl_server import FlCursor, FlServerMonitor
from tests.collector.monitors.board import figures, in_loop
from tests.collector.monitors.foreign_server import NOON, ForeignFlServer
from tests.collector.stub_service import StubService

STORE = "0123456789abcdef"


@pytest.fixture
def server() -> Iterator[ForeignFlServer]:
    stub = ForeignFlServer()
    with stub.service:
        yield stub


class Looking:
    """A monitor that is looked through again and again, as the schedule does."""

    def __init__(self, url: str, *known: str) -> None:
        self.known = set(known)
        self.asking = Asking()
        self.cursor: bytes | None = None
        self.monitor = FlServerMonitor(self.asking, url, STORE, self._known)

    async def _known(self, run: str) -> bool:
        return run in self.known

    async def look(self) -> Found:
        found = await self.monitor.collect(self.cursor)
        self.cursor = found.cursor or self.cursor
        return found

    @property
    def run(self) -> str:
        assert self.cursor is not None
        run = msgspec.json.decode(self.cursor, type=FlCursor).run
        assert run is not None
        return run

    async def __aenter__(self) -> Looking:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.asking.close()


def state(found: Found) -> FlServerState:
    assert isinstance(found.state, FlServerState)
    return found.state


def told(found: Found) -> list[tuple[str, str | None, int | None]]:
    return [(event.kind, event.run, event.round) for event in found.batch.events]


@in_loop
async def test_rounds_become_samples_of_a_run_that_is_named_by_its_place(
    server: ForeignFlServer,
) -> None:
    server.train(0.5)
    server.train(0.6)
    async with Looking(server.service.url) as monitor:
        found = await monitor.look()
        run = monitor.run
        assert run.startswith("fl-127.0.0.1-")
        assert figures(found) == {
            f"fl_accuracy{{run={run}}}@1": 0.5,
            f"fl_eval_loss{{run={run}}}@1": 0.5,
            f"fl_round_duration_seconds{{run={run}}}@1": 8.0,
            f"fl_round_participants{{run={run}}}@1": 3.0,
            f"fl_model_size_bytes{{run={run}}}@1": 250_000.0,
            f"fl_accuracy{{run={run}}}@2": 0.6,
            f"fl_eval_loss{{run={run}}}@2": 0.4,
            f"fl_round_duration_seconds{{run={run}}}@2": 8.0,
            f"fl_round_participants{{run={run}}}@2": 3.0,
            f"fl_model_size_bytes{{run={run}}}@2": 250_000.0,
        }
        assert found.batch.samples.time[0] == (NOON + 10) * 10**9
        assert told(found)[2] == ("ROUND_COMPLETED", run, 1)
        span = found.batch.spans[0]
        assert (span.phase, span.round, span.seconds, span.node) == ("aggregate", 1, 0.5, None)


@in_loop
async def test_each_thing_is_taken_once(server: ForeignFlServer) -> None:
    async with Looking(server.service.url) as monitor:
        assert figures(await monitor.look()) == {}
        for accuracy in (0.1, 0.2, 0.3):
            server.train(accuracy)
        found = await monitor.look()
        assert len(found.batch.events) == 9
        run = monitor.run
        assert figures(found)[f"fl_convergence_slope{{run={run}}}@3"] == pytest.approx(0.1)
        again = await monitor.look()
        assert figures(again) == {}
        assert again.batch.events == []
        assert again.batch.spans == []
        assert again.cursor is None
        assert state(again).convergence_slope == pytest.approx(0.1)
        server.train(0.4)
        third = await monitor.look()
        assert {round_ for _, _, round_ in told(third)} == {4}
        assert f"fl_accuracy{{run={run}}}@4" in figures(third)
        assert f"fl_accuracy{{run={run}}}@3" not in figures(third)


@in_loop
async def test_the_cursor_survives_a_restart_of_the_collector(server: ForeignFlServer) -> None:
    server.train(0.5)
    async with Looking(server.service.url) as before:
        await before.look()
    server.train(0.6)
    async with Looking(server.service.url) as after:
        after.cursor = before.cursor
        found = await after.look()
        assert {round_ for _, _, round_ in told(found)} == {2}
        assert after.run == before.run


@pytest.mark.parametrize("trained_again", [1, 3])
@in_loop
async def test_a_server_that_began_anew_is_a_new_run(
    server: ForeignFlServer, trained_again: int
) -> None:
    """Also where its new numbers have passed the cursor before anybody looked."""
    server.train(0.5)
    server.train(0.6)
    async with Looking(server.service.url) as monitor:
        await monitor.look()
        first = monitor.run
        server.restart(at=500.0)
        for _ in range(trained_again):
            server.train(0.1)
        found = await monitor.look()
        assert monitor.run != first
        assert [round_ for _, _, round_ in told(found)] == [
            number for number in range(1, trained_again + 1) for _ in range(3)
        ]
        assert {run for _, run, _ in told(found)} == {monitor.run}
        assert f"fl_accuracy{{run={monitor.run}}}@1" in figures(found)


@in_loop
async def test_a_server_that_began_anew_and_did_nothing_yet_is_no_error(
    server: ForeignFlServer,
) -> None:
    server.train(0.5)
    async with Looking(server.service.url) as monitor:
        await monitor.look()
        server.restart(at=500.0)
        found = await monitor.look()
        assert told(found) == []
        server.train(0.7)
        assert [kind for kind, _, _ in told(await monitor.look())][-1] == "ROUND_COMPLETED"


@in_loop
async def test_a_log_that_dropped_its_oldest_is_read_on(server: ForeignFlServer) -> None:
    server.train(0.5)
    async with Looking(server.service.url) as monitor:
        await monitor.look()
        run = monitor.run
        for accuracy in (0.6, 0.7):
            server.train(accuracy)
        del server.events[:5]
        found = await monitor.look()
        assert monitor.run == run
        assert [event.details.get("round") for event in found.batch.events] == [2, 3, 3, 3]


@in_loop
async def test_a_long_log_is_read_over_several_looks(server: ForeignFlServer) -> None:
    for number in range(4100):
        server.say("NOTE", number, {})
    async with Looking(server.service.url) as monitor:
        found = [len((await monitor.look()).batch.events) for _ in range(4)]
        assert sum(found) == 4100
        assert found[0] < 2001
        assert found[3] == 0


@in_loop
async def test_what_is_missing_or_no_number_is_absent(server: ForeignFlServer) -> None:
    server.train(None, loss="0.5", training_duration=-1, model_size_mb=True, clients=["a", "b"])
    async with Looking(server.service.url) as monitor:
        found = await monitor.look()
        assert figures(found) == {f"fl_round_participants{{run={monitor.run}}}@1": 2.0}


@in_loop
async def test_a_server_that_does_not_say_its_latest_round_is_one_run(
    server: ForeignFlServer,
) -> None:
    server.says_latest = False
    server.train(0.5)
    async with Looking(server.service.url) as monitor:
        await monitor.look()
        run = monitor.run
        again = await monitor.look()
        assert (monitor.run, figures(again), again.batch.events) == (run, {}, [])
        server.train(0.6)
        assert f"fl_accuracy{{run={run}}}@2" in figures(await monitor.look())
        rounds, server.rounds = server.rounds, None  # type: ignore[assignment]
        assert figures(await monitor.look()) == {}
        server.rounds = rounds
        assert (figures(await monitor.look()), monitor.run) == ({}, run)


@in_loop
async def test_a_round_that_goes_on_is_left_for_later(server: ForeignFlServer) -> None:
    server.train(0.5)
    server.train(None, status="training")
    async with Looking(server.service.url) as monitor:
        assert not any(name.endswith("@2") for name in figures(await monitor.look()))
        server.rounds[1].update(status="completed", accuracy=0.6)
        assert figures(await monitor.look())[f"fl_accuracy{{run={monitor.run}}}@2"] == 0.6


@in_loop
async def test_the_state_is_what_the_server_says(server: ForeignFlServer) -> None:
    server.train(0.5)
    async with Looking(server.service.url) as monitor:
        found = state(await monitor.look())
        assert (found.status, found.current_round, found.active_clients) == ("training", 1, 4)
        assert (found.run, found.max_rounds, found.accuracy) == (None, None, 0.5)
        server.status = {"training_active": False}
        assert state(await monitor.look()).status == "idle"


@in_loop
async def test_of_our_own_servers_runs_the_state_alone_is_taken(server: ForeignFlServer) -> None:
    server.about = (200, {"name": "fedsight-federation", "version": "1"})
    server.status["run"] = "r-1"
    server.train(0.5)
    server.say("SERVER_START", 0.0, {"version": "1"})
    server.say("NODE_REFUSED", 0.0, {})
    health = StubService(lambda asked: (200, {"store_id": STORE}))
    with health:
        script = server.service.script
        server.service.script = lambda asked: (
            health.script(asked) if asked.path == "/health" else script(asked)
        )
        for event in server.events[:3]:
            event["run"] = "r-1"
        async with Looking(server.service.url) as monitor:
            found = await monitor.look()
    assert figures(found) == {}
    assert told(found) == [("SERVER_START", None, None)]
    assert state(found).run == "r-1"


@in_loop
async def test_a_run_that_came_by_a_journal_is_not_taken_twice(server: ForeignFlServer) -> None:
    server.status["run"] = "r-7"
    server.train(0.5)
    for event in server.events:
        event["run"] = "r-7"
    async with Looking(server.service.url, "r-7") as monitor:
        found = await monitor.look()
    assert figures(found) == {}
    assert told(found) == []


@in_loop
async def test_words_of_the_api_become_those_of_signals(server: ForeignFlServer) -> None:
    server.say("TRAINING_STARTED", 0, {"task": "mnist", "rounds": 3})
    server.say("TRAINING_PAUSED", 1, {"reason": "lunch"})
    server.say("TRAINING_RESUMED", 2, {})
    server.say("TRAINING_STOPPED_BY_POLICY", 3, {"reason": "too few"})
    server.say("TRAINING_STARTED", 4, {"rounds": "three"})
    server.say("POLICY_VERSION_UPDATED", 5, {"version": 3})
    async with Looking(server.service.url) as monitor:
        found = await monitor.look()
    kinds = [event.kind for event in found.batch.events]
    assert kinds == [
        "RUN_STARTED",
        "RUN_PAUSED",
        "RUN_RESUMED",
        "RUN_ENDED",
        "FOREIGN_RUN_STARTED",
        "POLICY_VERSION_UPDATED",
    ]
    assert found.batch.events[3].details == {"reason": "too few", "state": "stopped"}
    assert found.batch.events[5].source == "FL_SERVER"
    assert found.batch.events[5].run is None


@pytest.mark.parametrize("status", [[], {}, {"status": 5}, "training", None, b"<html>", b"{"])
@in_loop
async def test_who_tells_no_status_is_no_fl_server(server: ForeignFlServer, status: object) -> None:
    server.status = status
    async with Looking(server.service.url) as monitor:
        with pytest.raises(ForeignAnswerError):
            await monitor.look()


@in_loop
async def test_nobody_there_is_away() -> None:
    stub = StubService(lambda _: (200, {}))
    stub._server.server_close()
    async with Looking(stub.url) as monitor:
        with pytest.raises(AwayError, match="no FL server answers"):
            await monitor.look()
        assert monitor.asking._client is None  # no HTTP client was made for it
