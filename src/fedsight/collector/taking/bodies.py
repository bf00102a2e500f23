"""Decoders of bodies, for whoever is free to decode."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

import msgspec

from fedsight.collector.taking.columns import ColumnReader
from fedsight.collector.taking.lines import LineReader
from fedsight.collector.wire import ShipmentDecoder
from fedsight.door.refusal import RefusedError

T = TypeVar("T")

#: Decoders kept when nobody uses them; each holds what it remembers of series.
IDLE = 4


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


def undecodable(error: Exception) -> Exception:
    """What is answered where decoding a body raised this: 400 where it is not JSON."""
    if isinstance(error, RecursionError):
        return RefusedError(400, "json", "the body is nested too deeply")
    if isinstance(error, msgspec.DecodeError | UnicodeDecodeError):
        return RefusedError(400, "json", f"the body is not JSON: {error}")
    return error


class Decoders:
    """A pool for each kind of body."""

    def __init__(self) -> None:
        self.shipments = Pool(ShipmentDecoder)
        self.columns = Pool(ColumnReader)
        self.lines = Pool(LineReader)
