"""`WS /ws/metrics`: one connection to the live stream."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from starlette.websockets import WebSocket, WebSocketDisconnect

from fedsight.collector.ending import end
from fedsight.collector.live.messages import (
    Packet,
    Stream,
    encoded,
    event_before,
    packets_after,
)
from fedsight.collector.live.stream import Hub
from fedsight.collector.live.watcher import Replay, Send, Watcher
from fedsight.collector.store.readers import Readers
from fedsight.door.refusal import RefusedError, bad_field, unprocessable
from fedsight.signals import Text

#: Seconds that a lagging reader has to take its last message.
LAST_WORD_SECONDS = 2.0
TRY_AGAIN_LATER = 1013

Streams = Annotated[list[Stream], Meta(min_length=1, max_length=16)]


class Subscribe(Struct, frozen=True, tag_field="action", tag="subscribe"):
    """Add streams; with a cursor, what came after it first."""

    streams: Streams
    run: Text | None = None
    cursor: Annotated[int, Meta(ge=0, le=2**62)] | None = None


class Unsubscribe(Struct, frozen=True, tag_field="action", tag="unsubscribe"):
    """Take streams away."""

    streams: Streams


class Subscribed(Struct, frozen=True, tag_field="type", tag="subscribed"):
    """What this connection receives from now on, and the newest cursor."""

    streams: list[Stream]
    cursor: int


class Lagging(Struct, frozen=True, tag_field="type", tag="lagging"):
    """This reader was too slow and is about to be closed."""

    cursor: int


_decode = msgspec.json.Decoder(Subscribe | Unsubscribe).decode


class Watch:
    """Serves connections to one hub."""

    def __init__(self, hub: Hub, readers: Readers, *, capacity: int, most: int) -> None:
        self._hub = hub
        self._readers = readers
        self._capacity = capacity
        self._most = most
        #: Connections turned away because there was no room.
        self.refused = 0

    async def serve(self, socket: WebSocket) -> None:
        """One connection, from its handshake to its end."""
        if len(self._hub.watchers) >= self._most:
            self.refused += 1
            await socket.close(TRY_AGAIN_LATER)
            return
        await socket.accept()
        mine = Watcher(socket.send, self._capacity)
        self._hub.watchers.add(mine)
        works = (self._listen(socket, mine), mine.pump(self._replay), mine.lagging.wait())
        tasks = [asyncio.create_task(work) for work in works]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.watchers.discard(mine)
            errors = await end(tasks)
        _raise_unexpected(errors)
        if mine.lagging.is_set():
            await self._last_word(socket)

    async def _listen(self, socket: WebSocket, mine: Watcher) -> None:
        while True:
            message = await socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text") or message.get("bytes") or ""
            self._obey(mine, text)

    def _obey(self, mine: Watcher, text: str | bytes) -> None:
        try:
            asked = _decode(text)
        except msgspec.ValidationError as error:
            mine.offer(unprocessable(bad_field(error)).message_text())
            return
        except (msgspec.DecodeError, RecursionError) as error:
            mine.offer(RefusedError(400, "json", str(error)).message_text())
            return
        if isinstance(asked, Unsubscribe):
            mine.streams.difference_update(asked.streams)
        else:
            mine.streams.update(asked.streams)
            mine.run = asked.run
        now = self._hub.cursor
        mine.offer(encoded(Subscribed(sorted(mine.streams), now)))
        if isinstance(asked, Subscribe) and asked.cursor is not None:
            mine.offer(Replay(asked.cursor, now, frozenset(asked.streams), asked.run))

    async def _replay(self, wanted: Replay, send: Send) -> None:
        """Send from the store what lies behind the reader's cursor, a page at a time."""
        after, end = event_before(wanted.after), event_before(wanted.upto)
        while after < end:
            known = after
            packets, after = await self._readers.ask(
                partial(packets_after, event_id=known, run=wanted.run)
            )
            for packet in packets:
                if wanted.after < packet.cursor <= wanted.upto and _matches(packet, wanted):
                    await send(packet.message)
            if after == known:
                return

    async def _last_word(self, socket: WebSocket) -> None:
        try:
            async with asyncio.timeout(LAST_WORD_SECONDS):
                await socket.send_text(encoded(Lagging(self._hub.cursor)))
                await socket.close(TRY_AGAIN_LATER)
        except (TimeoutError, WebSocketDisconnect, RuntimeError):
            return


def _matches(packet: Packet, wanted: Replay) -> bool:
    return not wanted.streams.isdisjoint(packet.streams) and wanted.run in (None, packet.run)


def _raise_unexpected(errors: Sequence[BaseException]) -> None:
    """A reader that went away in the middle is the way of the world; all else is a fault."""
    for error in errors:
        if not isinstance(error, WebSocketDisconnect | RuntimeError):
            raise error
