"""Columns of JSON numbers as arrays, without a Python object for each number.

simdjson writes the numbers of an array straight into a buffer: 20M samples/s of four columns, where
lists of msgspec's that numpy then reads give 7M/s. It takes nothing that the exact decoder refuses,
so whatever it does not take (a float among whole numbers, a number out of range) is left to that
one, which names the field.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import simdjson
from numpy.typing import NDArray

from fedsight.collector.store.prepare import NO_ROUND
from fedsight.door.times import LATEST

LARGEST_ROUND = 1_000_000_000
#: Bytes of a column of indices that are remembered at most.
REMEMBERED_BYTES = 2**20

#: Columns of equal length: index, time, value, round.
Arrays = tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.float64], NDArray[np.int32]]


class NumberReader:
    """Reads columns. For one thread at a time: its parser's memory is used again."""

    def __init__(self) -> None:
        self._parser = simdjson.Parser()
        #: The column of indices before, what it came to, and the largest of them.
        self._seen = b"[]"
        self._places: NDArray[np.int32] = np.zeros(0, np.int32)
        self._largest = -1

    def whole(self, raw: bytes) -> NDArray[np.int64] | None:
        """A JSON array of whole numbers; None where it is anything else."""
        found = self._buffer(raw, "i")
        return None if found is None else np.frombuffer(found, np.int64)

    def real(self, raw: bytes) -> NDArray[np.float64] | None:
        """A JSON array of numbers; None where it is anything else."""
        found = self._buffer(raw, "d")
        return None if found is None else np.frombuffer(found, np.float64)

    def rounds(self, raw: bytes) -> NDArray[np.int32] | None:
        """A JSON array of rounds or nulls, as -1; None where it is anything else."""
        if b"-" in raw:
            return None
        found = self.whole(raw.replace(b"null", b"%d" % NO_ROUND) if b"n" in raw else raw)
        if found is None:
            return None
        # Below: "null5" came to -15, which is no JSON.
        if found.size and not NO_ROUND <= found.min() <= found.max() <= LARGEST_ROUND:
            return None
        return found.astype(np.int32)

    def columns(
        self,
        index: bytes,
        time: bytes,
        value: bytes,
        round_: bytes | None,
        series: int,
        latest: int = LATEST,
    ) -> Arrays | None:
        """Columns of samples of so many series; None where the exact decoder must look.

        `round_` None: none of them has a round. `latest` is the last time that may be.
        """
        at, when, what = self._index(index, series), self.whole(time), self.real(value)
        if at is None or when is None or what is None or not at.size == when.size == what.size:
            return None
        rounds = np.full(at.size, NO_ROUND, np.int32) if round_ is None else self.rounds(round_)
        if rounds is None or rounds.size != at.size:
            return None
        return (at, when, what, rounds) if within(when, latest) else None

    def _index(self, raw: bytes, series: int) -> NDArray[np.int32] | None:
        """Places among so many series, not to be written to; None where they are anything else.

        A producer mostly sends the same series in the same order as before: one comparison tells.
        """
        if raw == self._seen:
            return self._places if self._largest < series else None
        found = self.whole(raw)
        if found is None or not within(found, series - 1):
            return None
        places = found.astype(np.int32)
        places.flags.writeable = False
        if len(raw) <= REMEMBERED_BYTES:
            self._seen, self._places = raw, places
            self._largest = int(np.maximum.reduce(places)) if places.size else -1
        return places

    def _buffer(self, raw: bytes, of_type: Literal["i", "d"]) -> bytes | None:
        if raw.find(b"[", raw.find(b"[") + 1) >= 0:  # it would flatten arrays of arrays
            return None
        try:
            array = self._parser.parse(raw)
            return array.as_buffer(of_type=of_type)  # type: ignore[union-attr]
        except (ValueError, TypeError, RuntimeError, AttributeError):
            return None


def within(column: NDArray[np.int64], most: int) -> bool:
    """Whether all lie between 0 and `most`; a negative one is a huge one without its sign."""
    return not column.size or int(np.maximum.reduce(column.view(np.uint64))) <= most
