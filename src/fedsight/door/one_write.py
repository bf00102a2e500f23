"""uvicorn's HTTP connection, with an answer's head and body in one write, and word of whole bodies.

uvicorn writes the head, then the body, and each is a system call and a segment of its own: for an
answer of a hundred bytes that was a fifth of the server's time, and the client wakes up twice.
"""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fedsight.door.body import WHOLE

#: Bytes that wait to be written together at most.
AT_ONCE = 64 * 1024


class Gathered:
    """What a response writes to: all of it leaves at its end or the loop's next turn."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._parts: list[bytes] = []
        self._held = 0

    def write(self, data: bytes) -> None:
        """Write, soon."""
        if not self._parts:
            self._loop.call_soon(self.flush)
        self._parts.append(data)
        self._held += len(data)
        if self._held >= AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if self._parts:
            data = b"".join(self._parts)
            self._parts.clear()
            self._held = 0
            self._transport.write(data)

    def close(self) -> None:
        """Close the connection once all is written."""
        self.flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """Whether the connection closes, or is closed."""
        return self._transport.is_closing()


class OneWrite(HttpToolsProtocol):
    """A connection whose responses write to `Gathered`; all else is uvicorn's."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As uvicorn's."""
        super().connection_made(transport)
        self._gathered = Gathered(transport, self.loop)

    def on_headers_complete(self) -> None:
        """As uvicorn's; the request's task has not begun when this returns."""
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:
            self.cycle.transport = self._gathered  # type: ignore[assignment]

    def on_message_complete(self) -> None:
        """As uvicorn's; whoever reads the body need not wait for it any more."""
        super().on_message_complete()
        self.scope[WHOLE] = True  # type: ignore[literal-required]

    def on_response_complete(self) -> None:
        """As uvicorn's, with the answer on its way."""
        self._gathered.flush()
        super().on_response_complete()
