"""One who watches: what it wants, and a bounded queue of what is on its way.

What an idle watcher wants is sent within the call that publishes it, so that no
task has to wake for each of 1,000 watchers (docs/decisions/0116-sending-at-once.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, NamedTuple

from starlette.types import Message
from starlette.websockets import WebSocketDisconnect

from fedsight.collector.live.messages import Packet, Stream

#: Sends one message; waits where the reader takes no more. Raises what `GONE` holds at its end.
Send = Callable[[Message], Coroutine[Any, Any, None]]
GONE = (WebSocketDisconnect, RuntimeError)


class Replay(NamedTuple):
    """Send what lies between two cursors, the first left out, before what follows."""

    after: int
    upto: int
    streams: frozenset[Stream]
    run: str | None


class Begun:
    """A sending that began and waits for its reader; awaiting it goes on with it."""

    def __init__(self, sending: Coroutine[Any, Any, None], waits_for: Any) -> None:
        self._sending = sending
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, None, None]:
        try:
            while True:
                # The future was handed out with the mark that awaiting sets; pass it on as it is.
                yield self._waits_for
                self._waits_for = self._sending.send(None)
        except StopIteration:
            return
        finally:
            self._sending.close()

    def close(self) -> None:
        """Give it up."""
        self._sending.close()


def begin(sending: Coroutine[Any, Any, None]) -> Begun | None:
    """Go as far as is possible without waiting; None where that was all of it."""
    try:
        waits_for = sending.send(None)
    except StopIteration:
        return None
    return Begun(sending, waits_for)


Item = Packet | str | Replay | Begun


def _message(item: Packet | str) -> Message:
    return {"type": "websocket.send", "text": item} if isinstance(item, str) else item.message


class Watcher:
    """One connection. For use in the event loop alone."""

    def __init__(self, send: Send, capacity: int) -> None:
        self._send = send
        self._queue: asyncio.Queue[Item] = asyncio.Queue(capacity)
        self._busy = False
        self.lagging = asyncio.Event()
        self.streams: set[Stream] = set()
        self.run: str | None = None

    @property
    def waiting(self) -> int:
        """Messages that wait for this reader."""
        return self._queue.qsize()

    def wants(self, packet: Packet) -> bool:
        """Whether the packet belongs to its subscription."""
        if self.run is not None and self.run != packet.run:
            return False
        return not self.streams.isdisjoint(packet.streams)

    def offer(self, item: Packet | str | Replay) -> bool:
        """Send an item, or queue it; a full queue makes the watcher lag, for good."""
        if self.lagging.is_set():
            return False
        if self._busy or isinstance(item, Replay) or self._queue.qsize():
            return self._queued(item)
        try:
            begun = begin(self._send(_message(item)))
        except GONE:
            return False
        return begun is None or self._queued(begun)

    def _queued(self, item: Item) -> bool:
        try:
            self._queue.put_nowait(item)
        except asyncio.QueueFull:
            self.lagging.set()
        return not self.lagging.is_set()

    async def pump(self, replay: Callable[[Replay, Send], Coroutine[Any, Any, None]]) -> None:
        """Send what was queued, in order, until cancelled."""
        try:
            while True:
                item = await self._queue.get()
                self._busy = True
                if isinstance(item, Begun):
                    await item
                elif isinstance(item, Replay):
                    await replay(item, self._send)
                else:
                    await self._send(_message(item))
                self._busy = False
        finally:
            self._give_up()

    def _give_up(self) -> None:
        while not self._queue.empty():
            item = self._queue.get_nowait()
            if isinstance(item, Begun):
                item.close()
