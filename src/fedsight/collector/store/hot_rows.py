"""The samples that are still in the hot log, decoded once and kept for the questions to come."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.store.overlap import Span, clusters
from fedsight.collector.store.raw import EMPTY, RawSamples, in_order, joined, within
from fedsight.collector.store.schema import remembered

COLUMNS = "id, n, series, time, round, value"
TYPES = ("<i4", "<i8", "<i4", "<f8")
#: Samples of a piece from which on no more are put to it.
PIECE = 65_536
Row = tuple[int, int, bytes, bytes, bytes, bytes]


@dataclass(frozen=True, slots=True)
class HotPiece:
    """Some batches, sorted by (series, time, round), of equals the later arrival last.

    Sample i is of batch `batch[i]`.
    """

    batch: NDArray[np.int64]
    samples: RawSamples
    first_batch: int
    last_batch: int
    first_time: int
    last_time: int
    spans: tuple[Span, ...]

    def of(self, first: int, last: int) -> HotPiece | None:
        """What of it belongs to batches from `first` to `last`."""
        if first <= self.first_batch and self.last_batch <= last:
            return self
        mine = (self.batch >= first) & (self.batch <= last)
        return _piece(self.batch[mine], self.samples.where(mine))

    def within(self, ids: NDArray[np.int64], start: int, end: int) -> RawSamples:
        """The samples of some series with `start <= time < end`, in their order."""
        if not ids.size or start > self.last_time or end <= self.first_time:
            return EMPTY
        # As the column has them: else numpy makes the whole column into larger numbers first.
        ends = np.array((ids.min(), ids.max() + 1), np.int32)
        low, high = self.samples.series.searchsorted(ends).tolist()
        return within(RawSamples._make(c[low:high] for c in self.samples), ids, start, end)


class HotRows:
    """Samples of the hot log by snapshot. Any thread may ask.

    A batch never changes and its id is never used again, and batches leave from the front alone,
    when they were sealed: so what a snapshot holds is a range of ids of what was decoded.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pieces: list[HotPiece] = []
        self._last = 0

    def read(self, snapshot: sqlite3.Connection) -> list[HotPiece]:
        """All samples of the hot log, earlier arrivals in earlier pieces; not to be written to."""
        first, last = batches(snapshot)
        if not last:
            return []
        with self._lock:
            pieces = self._reaching(snapshot, first, last)
        found = (piece.of(first, last) for piece in pieces)
        return [piece for piece in found if piece is not None]

    def holds(self, snapshot: sqlite3.Connection, most: int) -> bool:
        """Whether `read` would give at once what is decoded already, at most `most` samples."""
        first, last = batches(snapshot)
        if not last:
            return True
        pieces = self._pieces
        whole = bool(pieces) and (pieces[0].first_batch, pieces[-1].last_batch) == (first, last)
        return whole and sum(len(piece.batch) for piece in pieces) <= most

    def _reaching(self, snapshot: sqlite3.Connection, first: int, last: int) -> list[HotPiece]:
        """Pieces that hold at least what the snapshot does."""
        if first <= self._last and (not self._pieces or first < self._pieces[0].first_batch):
            whole = decoded(snapshot, first, last)  # the snapshot is older than what was kept
            return [] if whole is None else [whole]
        if last > self._last:
            self._append(decoded(snapshot, self._last + 1, last), first)
            self._last = last
        return list(self._pieces)

    def _append(self, new: HotPiece | None, first: int) -> None:
        """Put to the end, and let go of the pieces before `first`: they were sealed."""
        self._pieces = [piece for piece in self._pieces if piece.last_batch >= first]
        if new is None:
            return
        if self._pieces and len(self._pieces[-1].batch) < PIECE:
            old = self._pieces.pop()
            batch = np.concatenate([old.batch, new.batch])
            new = _piece(batch, joined([old.samples, new.samples])) or new
        self._pieces.append(new)


@remembered
def batches(snapshot: sqlite3.Connection) -> tuple[int, int]:
    """The first and the last batch of the hot log; (0, 0) where it is empty."""
    # Two questions: SQLite answers each from an end of the tree, and both at once by a scan.
    query = "SELECT (SELECT min(id) FROM sample_batches), (SELECT max(id) FROM sample_batches)"
    first, last = snapshot.execute(query).fetchone()
    return (0, 0) if first is None else (first, last)


def decoded(snapshot: sqlite3.Connection, first: int, last: int) -> HotPiece | None:
    """The samples of the batches from `first` to `last`; None where there are none."""
    query = f"SELECT {COLUMNS} FROM sample_batches WHERE id BETWEEN ? AND ? ORDER BY id"
    return _decoded(snapshot.execute(query, (first, last)))


def _decoded(rows: Iterable[Row]) -> HotPiece | None:
    found = list(rows)
    if not found:
        return None
    ids, counts, *blobs = zip(*found, strict=True)
    columns = (
        np.frombuffer(b"".join(column), kind) for column, kind in zip(blobs, TYPES, strict=True)
    )
    return _piece(np.repeat(np.array(ids, np.int64), counts), RawSamples._make(columns))


def _piece(batch: NDArray[np.int64], samples: RawSamples) -> HotPiece | None:
    if not len(batch):
        return None
    batches_, times = (int(batch.min()), int(batch.max())), samples.time
    spans = tuple(clusters(times))  # as they came, when they are nearly in order
    samples, order = in_order(samples)
    batch = batch if order is None else batch[order]
    return HotPiece(batch, samples, *batches_, int(times.min()), int(times.max()), spans)
