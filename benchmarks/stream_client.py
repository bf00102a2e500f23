"""Many subscribers in one process, as light as can be: raw sockets, a frame's header read by hand.

Prints `ready` once all are subscribed; ends when all messages have come or standard input closes.
What came when is written as int64 triples (subscriber, message, monotonic ns).
"""

from __future__ import annotations

import asyncio
import resource
import sys
import time
from array import array
from functools import partial
from pathlib import Path
from typing import cast

import uvloop

#: https://www.rfc-editor.org/rfc/rfc6455#section-5.2
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
SUBSCRIBE = b'{"action":"subscribe","streams":["system_events"]}'
KEY = "AAAAAAAAAAAAAAAAAAAAAA=="
NUMBER = b'"n":'


class Crowd:
    """All subscribers, what has come, and who was told of being slow."""

    def __init__(self, size: int, messages: int) -> None:
        self.size = size
        self.wanted = size * messages
        self.received = array("q")
        self.subscribed = 0
        self.told = 0
        self.ready = asyncio.Event()
        self.done = asyncio.Event()

    def message(self, who: int, text: bytes, now: int) -> None:
        """One text message."""
        at = text.find(NUMBER)
        if at >= 0:
            end = at + len(NUMBER)
            number = int(text[end : end + 8].split(b",")[0].split(b"}")[0])
            self.received.extend((who, number, now))
            if len(self.received) == 3 * self.wanted:
                self.done.set()
        elif b'"subscribed"' in text:
            self.subscribed += 1
            if self.subscribed == self.size:
                self.ready.set()
        elif b'"lagging"' in text:
            self.told += 1


class Subscriber(asyncio.Protocol):
    """One connection."""

    def __init__(self, crowd: Crowd, who: int, port: int) -> None:
        self._crowd = crowd
        self._who = who
        self._port = port
        self._open = False
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Shake hands."""
        # uvloop's transports keep the protocol and are no subclass of it.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(
            f"GET /ws/metrics HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Frames, whole or in part."""
        now = time.monotonic_ns()
        self._buffer += data
        if not self._open:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            if b" 101 " not in head:
                raise ConnectionError(head.decode("latin-1"))
            self._open, self._buffer = True, rest
            self._send(TEXT, SUBSCRIBE)
        while (frame := self._frame()) is not None:
            kind, body = frame
            if kind == TEXT:
                self._crowd.message(self._who, body, now)
            elif kind == PING:
                self._send(PONG, body)

    def _frame(self) -> tuple[int, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        length, begin = buffer[1], 2
        if length >= 126:
            begin = 4 if length == 126 else 10
            if len(buffer) < begin:
                return None
            length = int.from_bytes(buffer[2:begin], "big")
        if len(buffer) < begin + length:
            return None
        self._buffer = buffer[begin + length :]
        return buffer[0] & 15, buffer[begin : begin + length]

    def _send(self, kind: int, body: bytes) -> None:
        """A short frame, masked with zeros."""
        self._transport.write(bytes((128 | kind, 128 | len(body), 0, 0, 0, 0)) + body)


async def gather(port: int, size: int, messages: int, file: Path) -> None:
    """Connect all, tell, and wait for the messages."""
    loop = asyncio.get_running_loop()
    crowd = Crowd(size, messages)
    for first in range(0, size, 50):
        group = range(first, min(first + 50, size))
        made = (partial(Subscriber, crowd, who, port) for who in group)
        await asyncio.gather(*(loop.create_connection(each, "127.0.0.1", port) for each in made))
    async with asyncio.timeout(60):
        await crowd.ready.wait()
    print("ready", flush=True)
    told = loop.run_in_executor(None, sys.stdin.readline)
    await asyncio.wait(
        [asyncio.ensure_future(told), asyncio.create_task(crowd.done.wait())],
        return_when=asyncio.FIRST_COMPLETED,
    )
    file.write_bytes(crowd.received.tobytes())
    print(crowd.told, flush=True)
    await told


def main(port: str, size: str, messages: str, file: str) -> None:
    """Run a crowd."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(gather(int(port), int(size), int(messages), Path(file)))


if __name__ == "__main__":
    main(*sys.argv[1:])
