"""Who waits for a commit is told: a thread, or a coroutine, whose loop is woken once."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import CancelledError, Future

import pytest

from fedsight.collector.store.prepare import own
from fedsight.collector.taking.answers import Awaited, Refusal, Threaded, tell_all
from fedsight.errors import StoreError
from fedsight.signals import Sample, batch
from tests.collector.open_store import Store
from tests.collector.shipments import START


def test_coroutines_and_threads_are_told_of_one_commit() -> None:
    async def run() -> list[object]:
        loop = asyncio.get_running_loop()
        awaited = [loop.create_future() for _ in range(3)]
        threaded: Future[int] = Future()
        answers = [Awaited(loop, each) for each in awaited]
        told = [(answers[0], 1), (answers[1], Refusal(StoreError("no"))), (answers[2], 3)]
        awaited[2].cancel()
        work = threading.Thread(target=tell_all, args=([*told, (Threaded(threaded), 4)],))
        work.start()
        found = await asyncio.gather(*awaited, return_exceptions=True)
        work.join()
        return [*found, threaded.result(1)]

    one, refused, gone, of_thread = asyncio.run(run())
    assert (one, of_thread) == (1, 4)
    assert isinstance(refused, StoreError)
    assert isinstance(gone, asyncio.CancelledError)


def test_a_loop_that_ended_is_nobody_to_tell() -> None:
    loop = asyncio.new_event_loop()
    answer = Awaited(loop, loop.create_future())
    loop.close()
    gone: Future[int] = Future()
    gone.cancel()
    tell_all([(answer, 1), (Threaded(gone), 2)])
    with pytest.raises(CancelledError):
        gone.result(0)


def test_samples_are_awaited_and_make_nobody_look_for_events(store: Store) -> None:
    record = own(batch(samples=[Sample(START, "room_celsius", 21.5)]))

    async def send() -> int:
        found = await asyncio.gather(*(store.ingest.taken(record) for _ in range(5)))
        return sum(taken.stored for taken in found)

    before = store.commits
    assert asyncio.run(send()) == 5
    assert store.commits == before
