"""Bodies as they came over the wire: inflated within a bound, decoded by who is free."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from fedsight.collector.taking.columns import ColumnReader
from fedsight.collector.taking.lines import LineReader
from fedsight.collector.wire import ShipmentDecoder
from fedsight.door.guard import too_large
from fedsight.door.refusal import RefusedError

T = TypeVar("T")

#: zlib's word for a gzip header and trailer. https://docs.python.org/3/library/zlib.html
GZIP = 31
#: Decoders kept when nobody uses them; each holds what it remembers of series.
IDLE = 4
#: Gzip members that a body may be made of: what is left is copied for each of them.
MOST_MEMBERS = 64


class Pool(Generic[T]):
    """Lends what one thread at a time may use; makes another where all are lent."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._idle: deque[T] = deque(maxlen=IDLE)

    @contextmanager
    def lent(self) -> Iterator[T]:
        """One of them, for this thread, until the end of the block."""
        try:
            one = self._idle.pop()
        except IndexError:
            one = self._make()
        try:
            yield one
        finally:
            self._idle.append(one)


class Decoders:
    """A pool for each kind of body."""

    def __init__(self) -> None:
        self.shipments = Pool(ShipmentDecoder)
        self.columns = Pool(ColumnReader)
        self.lines = Pool(LineReader)


def inflated(body: bytes, encoding: str, most: int) -> bytes:
    """The body without its Content-Encoding, at most `most` bytes of it.

    Raises RefusedError: 413 where it would be more, 415 for an encoding other than gzip, 400 where
    it is not whole.
    """
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        message = f"Content-Encoding must be gzip or none, got {encoding[:40]!r}"
        raise RefusedError(415, "content_encoding", message, field="Content-Encoding")
    parts: list[bytes] = []
    left, held = body, 0
    while left:
        if len(parts) >= MOST_MEMBERS:
            raise RefusedError(400, "gzip", f"the body has more than {MOST_MEMBERS} gzip members")
        stream = zlib.decompressobj(GZIP)
        try:
            part = stream.decompress(left, most - held + 1)
        except zlib.error as error:
            raise RefusedError(400, "gzip", f"the body is not gzip: {error}") from None
        held += len(part)
        if held > most:
            raise too_large(most)
        if not stream.eof:
            raise RefusedError(400, "gzip", "the gzip body is not whole")
        parts.append(part)
        left = stream.unused_data
    return b"".join(parts)
