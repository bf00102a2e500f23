"""Requests that are like one before but for times and values: read without parsing them.

A producer sends the same series in the same order each time. Then all bytes are the same as before,
but for the heads of its points: what was made of the others is known. Heads are of a fixed length
and their tags are compared, so that such a request has the same structure as the one that was
parsed. See docs/decisions/0160-points-by-layout.md.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from fedsight.signals import SampleColumns
from fedsight.telemetry.bridge.found import (
    HEAD,
    NO_START,
    Columns,
    IrregularError,
    columns_of,
)

#: Patterns of requests of one length, lengths, and bytes of all of them.
OF_A_LENGTH = 4
LENGTHS = 256
MOST_BYTES = 16 * 2**20
#: Lengths that are remembered, so that a pattern is made of what comes twice.
SEEN = 1024


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a request looked like: `still`, its bytes with zeros where heads are; `at`, where those
    begin, of `head` bytes each. `known` is what it came to; `made` is whatever its reader keeps."""

    prefix: bytes
    still: bytes
    at: NDArray[np.int64]
    head: int
    known: SampleColumns
    columns: Columns
    made: object

    def heads(self, body: bytes) -> NDArray[np.uint8] | None:
        """The heads of a request that is like this one, a row each; None where it is not."""
        if not body.startswith(self.prefix):
            return None
        moving = np.frombuffer(bytearray(body), np.uint8)
        windows = sliding_window_view(moving, self.head, writeable=True)
        found = windows[self.at]
        windows[self.at] = 0
        return found if moving.tobytes() == self.still else None

    def read(self, body: bytes) -> tuple[SampleColumns, Columns] | None:
        """The samples of a request that is like this one, all of which can be carried."""
        heads = self.heads(body)
        if heads is None:
            return None
        try:
            time, value = columns_of(_whole(heads))
        except IrregularError:
            return None
        columns = Columns(self.columns.places, time, value)
        if not columns.all_fit():
            return None
        known = self.known
        return (
            SampleColumns(known.series, known.index, time.tolist(), value.tolist(), known.round),
            columns,
        )


def _whole(heads: NDArray[np.uint8]) -> bytes:
    """Heads with a start, also where none was sent."""
    if heads.shape[1] == HEAD.itemsize:
        return heads.tobytes()
    found = np.empty((len(heads), HEAD.itemsize), np.uint8)
    found[:, : len(NO_START)] = np.frombuffer(NO_START, np.uint8)
    found[:, len(NO_START) :] = heads
    return found.tobytes()


class Patterns:
    """Patterns by the length of their requests, within bounds. For one thread at a time."""

    def __init__(self) -> None:
        self._of_length: OrderedDict[int, list[Pattern]] = OrderedDict()
        self._seen: OrderedDict[int, None] = OrderedDict()
        self._bytes = 0

    def candidates(self, body: bytes) -> list[Pattern]:
        """What the request may be like."""
        return self._of_length.get(len(body), [])

    def wanted(self, body: bytes) -> bool:
        """Whether a pattern is worth making: a request of this length came before."""
        if len(body) in self._seen:
            self._seen.move_to_end(len(body))
            return True
        self._seen[len(body)] = None
        if len(self._seen) > SEEN:
            self._seen.popitem(last=False)
        return False

    def learn(
        self, body: bytes, raw: list[bytes], known: SampleColumns, columns: Columns, made: object
    ) -> None:
        """Remember a request whose points, in their order, are `raw` and all became samples."""
        found = _pattern(body, raw, known, columns, made)
        if found is None:
            return
        held = self._of_length.setdefault(len(body), [])
        held.insert(0, found)
        self._bytes += 2 * len(body)
        if len(held) > OF_A_LENGTH:
            held.pop()
            self._bytes -= 2 * len(body)
        while len(self._of_length) > LENGTHS or self._bytes > MOST_BYTES:
            length, gone = self._of_length.popitem(last=False)
            self._bytes -= 2 * length * len(gone)

    def forget(self) -> None:
        """Forget all: what they came to would not be the same any more."""
        self._of_length.clear()
        self._bytes = 0


def _pattern(
    body: bytes, raw: list[bytes], known: SampleColumns, columns: Columns, made: object
) -> Pattern | None:
    """None where heads have not one length, or the points are not where they are looked for."""
    with_start = {point[:1] == NO_START[:1] for point in raw}
    if len(with_start) != 1:
        return None
    head = HEAD.itemsize if True in with_start else HEAD.itemsize - len(NO_START)
    at, begin = [], 0
    for point in raw:
        begin = body.find(point, begin)
        if begin < 0:
            return None
        at.append(begin)
        begin += len(point)
    pattern = Pattern(body[: at[0]], body, np.array(at), head, known, columns, made)
    moving = np.frombuffer(bytearray(body), np.uint8)
    sliding_window_view(moving, head, writeable=True)[pattern.at] = 0
    return Pattern(pattern.prefix, moving.tobytes(), pattern.at, head, known, columns, made)
