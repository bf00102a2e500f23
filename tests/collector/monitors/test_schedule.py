"""The monitors side by side: none stands in another's way, and all end promptly."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from fedsight.collector.monitors.contract import (
    AwayError,
    ForeignAnswerError,
    Found,
    Monitor,
    Pace,
    read_cursors,
)
from fedsight.collector.monitors.schedule import STOP_SECONDS, Schedule
from fedsight.errors import StoreError
from fedsight.signals import Event, Sample, batch
from tests.collector.monitors.board import MemoryBoard, MemoryKeeper, Scripted, in_loop, until
from tests.collector.open_store import Store

NOON = 1_764_072_000 * 10**9
QUICK = Pace(interval=0.01, deadline=0.1, longest=0.02)


async def nothing(_: int) -> Found:
    return Found()


async def away(_: int) -> Found:
    raise AwayError("nobody answers")


async def hang(_: int) -> Found:
    await asyncio.sleep(3600)
    return Found()


async def stubborn(_: int) -> Found:
    """Does not heed being cancelled, for longer than anybody waits."""
    end = time.monotonic() + STOP_SECONDS + 0.5
    while time.monotonic() < end:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(end - time.monotonic())
    return Found()


@contextlib.asynccontextmanager
async def watching(
    keeper: MemoryKeeper, *monitors: Monitor, board: MemoryBoard | None = None, tell: bool = True
) -> AsyncIterator[Schedule]:
    paced: Sequence[tuple[Monitor, Pace]] = [(each, QUICK) for each in monitors]
    schedule = Schedule(paced, keeper, board or MemoryBoard(), tell_services=tell)
    running = asyncio.create_task(schedule.run())
    try:
        yield schedule
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def broken(_: int) -> Found:
    raise ZeroDivisionError("a fault of our own")


@pytest.mark.parametrize("bad", [away, hang, stubborn, broken])
@in_loop
async def test_one_that_fails_or_hangs_stops_no_other(bad: object) -> None:
    good, wrong = Scripted("good", nothing), Scripted("bad", bad)  # type: ignore[arg-type]
    async with watching(MemoryKeeper(), wrong, good) as schedule:
        await until(lambda: schedule.records["bad"].failures >= 2)
        seen = schedule.records["good"].successes
        await until(lambda: schedule.records["good"].successes > seen)
    record = schedule.records["bad"]
    assert record.last_error
    assert record.standing == "unknown"
    assert record.successes == 0
    assert schedule.records["good"].standing == "healthy"


@pytest.mark.parametrize("bad", [nothing, hang, stubborn])
@in_loop
async def test_stopping_is_prompt(bad: object) -> None:
    one = Scripted("one", bad)  # type: ignore[arg-type]
    async with watching(MemoryKeeper(), one):
        await until(lambda: bool(one.cursors))
        began = time.monotonic()
    assert time.monotonic() - began < STOP_SECONDS + 0.4


@in_loop
async def test_a_look_that_takes_too_long_says_so() -> None:
    async with watching(MemoryKeeper(), Scripted("slow", hang)) as schedule:
        await until(lambda: schedule.records["slow"].failures > 0)
        assert schedule.records["slow"].last_error == "it did not finish within 0.1 s"


@in_loop
async def test_a_look_is_not_begun_while_the_one_before_goes_on() -> None:
    one = Scripted("stubborn", stubborn)
    async with watching(MemoryKeeper(), one) as schedule:
        await until(lambda: schedule.records["stubborn"].failures >= 3)
        assert len(one.cursors) == 1
        assert schedule.records["stubborn"].last_error == "it is still busy with the look before"


@in_loop
async def test_the_cursor_moves_once_its_signals_are_kept() -> None:
    async def count(before: int) -> Found:
        return Found(batch(events=[Event(before, "x", "TICK")]), cursor=str(before).encode())

    keeper = MemoryKeeper()
    keeper.refuse = StoreError("the disk is full")
    one = Scripted("one", count)
    async with watching(keeper, one, tell=False) as schedule:
        await until(lambda: schedule.records["one"].failures >= 2)
        assert set(one.cursors) == {None}
        assert schedule.records["one"].last_error == "the disk is full"
        keeper.refuse = None
        await until(lambda: schedule.records["one"].successes >= 2)
    kept = [str(event.time).encode() for event in keeper.events]
    assert one.cursors[-1] in kept
    assert keeper.changes == len(keeper.batches)


@in_loop
async def test_what_the_store_refuses_holds_up_nothing(tmp_path: Path) -> None:
    """A run that begins twice, at two times, between events that are good."""

    async def look(before: int) -> Found:
        if before:
            return Found()
        kinds = ["ROUND_STARTED", "RUN_STARTED", "RUN_STARTED", "ROUND_COMPLETED"]
        told = [Event(NOON + at, "federated", kind, "r-1", 1) for at, kind in enumerate(kinds)]
        return Found(batch([Sample(NOON, "x", 1.0)], told), cursor=b"7")

    store = Store(tmp_path)
    schedule = Schedule([(Scripted("one", look), QUICK)], store.ingest, MemoryBoard())
    running = asyncio.create_task(schedule.run())
    await until(lambda: schedule.records["one"].successes > 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [kind for (kind,) in store.rows("SELECT kind FROM events ORDER BY id")] == [
        "ROUND_STARTED",
        "RUN_STARTED",
        "ROUND_COMPLETED",
        "RECORD_REFUSED",
    ]
    ((details,),) = store.rows("SELECT details FROM events WHERE kind = 'RECORD_REFUSED'")
    assert '"monitor":"one"' in details
    assert store.ask(read_cursors) == {"one": b"7"}
    assert store.rows("SELECT count(*) FROM sample_batches") == [(1,)]
    store.close()


def along(course: Sequence[Exception | None]) -> Callable[[int], Awaitable[Found]]:
    """Looks that fail as the course says, one after the other."""

    async def follow(before: int) -> Found:
        error = course[min(before, len(course) - 1)]
        if error is not None:
            raise error
        return Found()

    return follow


@in_loop
async def test_a_service_that_comes_and_goes_is_told_once_each_time() -> None:
    # There for 2 looks, away for 3, there, then wrong twice in the same way.
    course = [None, None, *[AwayError("away")] * 3, None, *[ForeignAnswerError("no JSON")] * 2]

    keeper = MemoryKeeper()
    async with watching(keeper, Scripted("fl_server", along(course))) as schedule:
        await until(lambda: schedule.records["fl_server"].cycles > len(course))
    assert keeper.kinds == ["SERVICE_REACHED", "SERVICE_LOST", "SERVICE_RETURNED", "SERVICE_ERROR"]
    assert keeper.events[1].details == {"service": "fl_server", "message": "away"}
    assert schedule.records["fl_server"].standing == "failing"


@in_loop
async def test_a_service_that_answers_wrongly_and_then_goes_is_lost() -> None:
    course = [None, ForeignAnswerError("no JSON"), AwayError("away"), AwayError("far away"), None]

    keeper = MemoryKeeper()
    async with watching(keeper, Scripted("fl_server", along(course))) as schedule:
        await until(lambda: schedule.records["fl_server"].cycles > len(course))
    assert keeper.kinds == ["SERVICE_REACHED", "SERVICE_ERROR", "SERVICE_LOST", "SERVICE_RETURNED"]


@in_loop
async def test_a_fault_of_our_own_is_not_laid_on_the_service() -> None:
    keeper = MemoryKeeper()

    async def look(_: int) -> Found:
        return Found(batch([Sample(NOON, "x", 1.0)]))

    async with watching(keeper, Scripted("fl_server", look)) as schedule:
        record = schedule.records["fl_server"]
        await until(lambda: record.successes > 0)
        keeper.refuse = StoreError("the disk is full")
        await until(lambda: record.failures > 1)
        assert record.last_error == "the disk is full"
        keeper.refuse = None
        seen = record.successes
        await until(lambda: record.successes > seen)
    assert keeper.kinds == ["SERVICE_REACHED"]


@in_loop
async def test_a_service_that_was_never_there_is_no_news() -> None:
    keeper = MemoryKeeper()
    async with watching(keeper, Scripted("fl_server", away)) as schedule:
        await until(lambda: schedule.records["fl_server"].cycles >= 3)
    assert keeper.batches == []


@in_loop
async def test_this_machine_is_no_service_that_comes_and_goes() -> None:
    async def follow(before: int) -> Found:
        if before == 1:
            raise OSError("a disk")
        return Found()

    keeper, host = MemoryKeeper(), Scripted("host", follow)
    host.address = ""
    async with watching(keeper, host) as schedule:
        await until(lambda: schedule.records["host"].cycles >= 3)
    assert keeper.batches == []


@in_loop
async def test_the_newest_state_is_shown() -> None:
    async def look(before: int) -> Found:
        return Found(state=Event(before, "x", "STATE"))

    board = MemoryBoard()
    async with watching(MemoryKeeper(), Scripted("one", look), board=board) as schedule:
        await until(lambda: schedule.records["one"].cycles >= 3)
    assert b'"kind":"STATE"' in board.shown["one"]
    assert schedule.records["one"].state is not None


@in_loop
async def test_a_monitor_goes_on_from_the_cursor_of_the_last_start() -> None:
    one = Scripted("one", nothing)
    schedule = Schedule([(one, QUICK)], MemoryKeeper(), MemoryBoard(), cursors={"one": b"7"})
    running = asyncio.create_task(schedule.run())
    await until(lambda: bool(one.cursors))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert one.cursors[0] == b"7"


def test_two_monitors_of_one_name_are_refused() -> None:
    both = [(Scripted("a", nothing), QUICK), (Scripted("a", away), QUICK)]
    with pytest.raises(ValueError, match="a name of its own"):
        Schedule(both, MemoryKeeper(), MemoryBoard())
