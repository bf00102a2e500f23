"""uvicorn's HTTP connection with bounds on what comes before a request's body, and after it.

uvicorn's httptools protocol keeps every byte of a request's head, however many come, and waits for
its end for ever: one connection could take all of the memory before any token is looked at.
"""

from __future__ import annotations

import asyncio

from fedsight.door.one_write import OneWrite
from fedsight.door.refusal import RefusedError

#: Bytes of a request's target and headers, and of what follows a chunked body.
HEAD_BYTES = 64 * 1024
#: Seconds until a head is there, from the connection's beginning or the head's first piece on.
HEAD_SECONDS = 30.0


class Bounded(OneWrite):
    """A connection that ends where a head is too long (431) or does not come to its end (408)."""

    head_bytes = HEAD_BYTES
    head_seconds = HEAD_SECONDS
    _progress = False
    _held = 0
    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As uvicorn's, and the time runs."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn's."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """As uvicorn's; counts what neither ends a head nor is of a body."""
        self._progress = False
        super().data_received(data)
        if self._progress:
            self._held = 0
            return
        self._held += len(data)
        if self._held > self.head_bytes:
            what = "an address and its headers must have at most"
            self._end(RefusedError(431, "head_too_large", f"{what} {self.head_bytes} bytes"))
        elif self._late is None:
            self._wait()

    def on_headers_complete(self) -> None:
        """As uvicorn's: the head is there."""
        self._progress = True
        self._wait_no_more()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """As uvicorn's."""
        self._progress = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """As uvicorn's: what is held from now on is of the next request."""
        self._progress = True
        self._wait_no_more()
        super().on_message_complete()

    def _wait(self) -> None:
        self._late = self.loop.call_later(self.head_seconds, self._is_late)

    def _wait_no_more(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _is_late(self) -> None:
        what = f"the headers did not arrive within {self.head_seconds:g} s"
        self._end(RefusedError(408, "timeout", what))

    def _end(self, why: RefusedError) -> None:
        """Say why where no answer is under way, and close."""
        self._wait_no_more()
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            body = why.body()
            head = f"HTTP/1.1 {why.status} \r\ncontent-type: application/json\r\n"
            head += f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
            self.transport.write(head.encode() + body)
        self.transport.close()
