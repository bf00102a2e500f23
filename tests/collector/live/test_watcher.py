from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message

from fedsight.collector.live.messages import Packet
from fedsight.collector.live.watcher import Replay, Send, Watcher
from fedsight.door.websockets import framed


class Socket:
    """Takes texts in until it is told that it is full."""

    def __init__(self) -> None:
        self.took: list[str] = []
        self.writable = asyncio.Event()
        self.writable.set()

    async def send(self, message: Message) -> None:
        await self.writable.wait()
        self.took.append(message["text"])


def packet(number: int, run: str | None = None) -> Packet:
    return Packet(number, ("fl_training",), run, framed(str(number)))


async def nothing(_: Replay, __: Send) -> None:
    return


async def turn() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_an_idle_watcher_has_its_message_at_once() -> None:
    async def story() -> None:
        socket = Socket()
        mine = Watcher(socket.send, 2)
        assert mine.offer(packet(1))
        assert socket.took == ["1"]
        assert mine.waiting == 0

    asyncio.run(story())


def test_what_a_full_socket_holds_up_arrives_in_order_once_it_is_free() -> None:
    async def story() -> None:
        socket = Socket()
        mine = Watcher(socket.send, 10)
        pump = asyncio.create_task(mine.pump(nothing))
        socket.writable.clear()
        assert all(mine.offer(packet(n)) for n in range(5))
        await turn()
        assert mine.offer(packet(5))
        assert socket.took == []
        socket.writable.set()
        await turn()
        assert mine.offer(packet(6))
        await turn()
        assert socket.took == [str(n) for n in range(7)]
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)

    asyncio.run(story())


def test_a_full_queue_makes_it_lag_for_good() -> None:
    async def story() -> None:
        socket = Socket()
        mine = Watcher(socket.send, 2)
        socket.writable.clear()
        assert [mine.offer(packet(n)) for n in range(4)] == [True, True, False, False]
        assert mine.lagging.is_set()
        socket.writable.set()
        assert not mine.offer(packet(9))
        pump = asyncio.create_task(mine.pump(nothing))
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)

    asyncio.run(story())


def test_what_comes_during_a_replay_waits_for_its_end() -> None:
    async def story() -> None:
        socket = Socket()
        mine = Watcher(socket.send, 10)
        going = asyncio.Event()

        async def replay(_: Replay, send: Send) -> None:
            await send(framed("old"))
            await going.wait()
            await send(framed("older news"))

        pump = asyncio.create_task(mine.pump(replay))
        mine.offer(Replay(0, 1, frozenset({"fl_training"}), None))
        await turn()
        mine.offer(packet(2))
        assert socket.took == ["old"]
        going.set()
        await turn()
        assert socket.took == ["old", "older news", "2"]
        pump.cancel()
        await asyncio.gather(pump, return_exceptions=True)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("run", "streams", "wanted"),
    [
        (None, {"fl_training"}, True),
        ("r-1", {"fl_training"}, True),
        ("r-2", {"fl_training"}, False),
        (None, {"alerts"}, False),
        (None, set(), False),
    ],
)
def test_a_watcher_wants_its_streams_and_its_run(
    run: str | None, streams: set[str], wanted: bool
) -> None:
    mine = Watcher(lambda text: asyncio.sleep(0), 1)
    mine.run = run
    mine.streams = streams  # type: ignore[assignment]
    assert mine.wants(packet(1, "r-1")) is wanted
