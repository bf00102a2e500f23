"""Answers put back into the order of their messages, on disk where there are many.

A sum in a fixed order is the same to the last bit, but an early answer has to wait for those
before it. What waits in memory is bounded: the vectors of further answers wait in files without a
name, which the system removes with this process.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import cast

import numpy as np
from flwr.app import ArrayRecord, Message

from fedsight.federated import codec

#: Vectors that wait in memory, all together.
MOST_BYTES = 2**27


class Reordered:
    """Hands answers on in the order of their places, 0, 1, 2, ...; a place may be skipped."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._held: dict[int, Message] = {}
        self._skipped: set[int] = set()
        self._next = 0
        self._sizes: dict[int, int] = {}
        self._bytes = 0

    def put(self, place: int, answer: Message) -> None:
        """Take in the answer of that place."""
        if place != self._next:
            self._store(place, answer)
        self._held[place] = answer

    def skip(self, place: int) -> None:
        """Wait for that place no longer."""
        self._skipped.add(place)

    def ready(self) -> Iterator[Message]:
        """The answers whose turn it is."""
        while True:
            if self._next in self._held:
                yield self._take(self._next)
            elif self._next not in self._skipped:
                return
            self._next += 1

    def rest(self) -> Iterator[Message]:
        """All that is held, in order, whatever is missing between."""
        for place in sorted(self._held):
            yield self._take(place)

    def _take(self, place: int) -> Message:
        self._bytes -= self._sizes.pop(place, 0)
        return self._held.pop(place)

    def _store(self, place: int, answer: Message) -> None:
        """Count an answer that has to wait; move its vector to disk where memory is used up."""
        if answer.has_error():
            return
        size = _vector_bytes(answer)
        if self._bytes + size <= self._most_bytes or not size:
            self._sizes[place] = size
            self._bytes += size
            return
        vector = codec.unpack(cast(ArrayRecord, answer.content[codec.ARRAYS]))
        with tempfile.TemporaryFile() as file:  # its mapping lives on
            file.write(vector.data)
            file.flush()
            stored = np.memmap(file, vector.dtype, "r", shape=vector.shape)
        answer.content[codec.ARRAYS] = codec.pack(stored)


def _vector_bytes(answer: Message) -> int:
    """Bytes of the one vector that an answer holds; 0 where it holds anything else."""
    record = answer.content.get(codec.ARRAYS)
    if not isinstance(record, ArrayRecord):
        return 0
    try:
        vector = codec.unpack(record)
    except ValueError:
        return 0
    return 0 if isinstance(vector, np.memmap) else int(vector.nbytes)
