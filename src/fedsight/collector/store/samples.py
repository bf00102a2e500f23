"""Where samples are kept: the contract for any store of samples, and the hot log's own.

Runs, rounds, events, spans and journal cursors always live in the hot log; samples may live
elsewhere, under keys that the same record always gives again, so that writing twice is harmless.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.store.prepare import SampleBlock, range_of
from fedsight.collector.store.schema import StoreConnection
from fedsight.collector.taking.series_ids import SeriesIds


class SampleWriter(Protocol):
    """Takes samples in, before the journal's cursor advances past their record."""

    def append(self, journal: str, seq: int, block: SampleBlock) -> None:
        """Keep the samples of record `seq`; harmless when done again."""
        ...

    def append_all(self, source: str, blocks: Sequence[SampleBlock]) -> None:
        """Keep samples of one run that came together and from no journal, in this order."""
        ...

    def forget_cached(self) -> None:
        """Forget what was learnt from writes that were rolled back."""
        ...


@dataclass(frozen=True, slots=True)
class RunSamples:
    """A run's samples in the order they arrived; `series` points into `names` and `nodes`."""

    names: list[str]
    nodes: list[str | None]
    series: NDArray[np.int64]
    round: NDArray[np.int32]
    value: NDArray[np.float64]


class SampleReader(Protocol):
    """Gives samples back."""

    def of_run(self, run: str, first_round: int, last_round: int) -> RunSamples:
        """All samples of a run's rounds, both ends included; owned by the caller."""
        ...

    def windows(
        self, run: str, first_round: int, last_round: int, samples: int
    ) -> list[tuple[int, int]]:
        """Part a range of rounds into ranges, in order, of about so many samples at most."""
        ...


class HotSampleWriter:
    """Samples as one row for each batch, in the transaction of the hot log."""

    def __init__(self, connection: sqlite3.Connection, ids: SeriesIds) -> None:
        self._db = connection
        self._ids = ids
        self._next_batch: int | None = None

    def append(self, journal: str, seq: int, block: SampleBlock) -> None:
        """As `SampleWriter.append`; the caller's cursor makes a second time impossible."""
        ids = self._ids.of(block.series).astype(np.int32).take(block.index)
        self._insert(journal, seq, block.run, ids, block.round, block.value, block.time)

    def append_all(self, source: str, blocks: Sequence[SampleBlock]) -> None:
        """As `SampleWriter.append_all`: one row, as a row for a few samples each costs most."""
        ids = [self._ids.of(block.series).astype(np.int32).take(block.index) for block in blocks]
        round_, value = [block.round for block in blocks], [block.value for block in blocks]
        columns = (_one(ids), _one(round_), _one(value), _one([block.time for block in blocks]))
        self._insert(source, 0, blocks[0].run, *columns)

    def _insert(
        self,
        journal: str,
        seq: int,
        run: str | None,
        ids: NDArray[np.int32],
        round_: NDArray[np.int32],
        value: NDArray[np.float64],
        time: NDArray[np.int64],
    ) -> None:
        self._db.execute(
            "INSERT INTO sample_batches (id, journal, seq, run, first_round, last_round, n, series,"
            " round, value, time) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self._new_batch(),
                journal,
                seq,
                run,
                *range_of(round_),
                len(ids),
                # SQLite copies them as they lie in memory.
                np.ascontiguousarray(ids, "<i4").data,
                np.ascontiguousarray(round_, "<i4").data,
                np.ascontiguousarray(value, "<f8").data,
                np.ascontiguousarray(time, "<i8").data,
            ),
        )

    def forget_cached(self) -> None:
        """As `SampleWriter.forget_cached`."""
        self._ids.forget()
        self._next_batch = None

    def _new_batch(self) -> int:
        """An id above all that ever were, those of sealed batches too: ids tell what came later."""
        if self._next_batch is None:
            query = (
                "SELECT max((SELECT coalesce(max(id), 0) FROM sample_batches),"
                " (SELECT coalesce(max(last_batch), 0) FROM segments)) + 1"
            )
            self._next_batch = int(self._db.execute(query).fetchone()[0])
        self._next_batch += 1
        return self._next_batch - 1


def _one(columns: list[NDArray[Any]]) -> NDArray[Any]:
    return columns[0] if len(columns) == 1 else np.concatenate(columns)


def run_samples(snapshot: sqlite3.Connection) -> SampleReader:
    """What gives the samples of runs back, wherever this store has them."""
    archive = snapshot.archive if isinstance(snapshot, StoreConnection) else None
    return HotSampleReader(snapshot) if archive is None else archive.run_samples(snapshot)


class HotSampleReader:
    """Reads what `HotSampleWriter` wrote, over a connection of its own, for one question."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection
        self._series: dict[str, list[tuple[int, str, str | None]]] = {}

    def windows(
        self, run: str, first_round: int, last_round: int, samples: int
    ) -> list[tuple[int, int]]:
        """As `SampleReader.windows`; a batch lies in one window, however many rounds it has."""
        return cut(self.batches(run, first_round, last_round), first_round, last_round, samples)

    def batches(self, run: str, first_round: int, last_round: int) -> list[tuple[int, int, int]]:
        """First round, last round and samples of the batches that reach into a range."""
        query = (
            "SELECT first_round, last_round, n FROM sample_batches"
            " WHERE run = ? AND first_round <= ? AND last_round >= ? ORDER BY first_round"
        )
        return self._db.execute(query, (run, last_round, first_round)).fetchall()

    def series_ids(self, run: str) -> NDArray[np.int64]:
        """The ids of a run's series, in order: as `RunSamples.names` has them."""
        return np.array([id_ for id_, _, _ in self._series_of(run)], np.int64)

    def _series_of(self, run: str) -> list[tuple[int, str, str | None]]:
        if run not in self._series:
            query = "SELECT id, name, node FROM series WHERE run = ? ORDER BY id"
            self._series[run] = self._db.execute(query, (run,)).fetchall()
        return self._series[run]

    def of_run(self, run: str, first_round: int, last_round: int) -> RunSamples:
        """As `SampleReader.of_run`."""
        known = self._series_of(run)
        series, rounds, values = self._columns(run, first_round, last_round)
        wanted = (rounds >= first_round) & (rounds <= last_round)
        if not wanted.all():
            series, rounds, values = series[wanted], rounds[wanted], values[wanted]
        return RunSamples(
            [name for _, name, _ in known],
            [node for _, _, node in known],
            position([id_ for id_, _, _ in known], series),
            rounds,
            values,
        )

    def _columns(
        self, run: str, first_round: int, last_round: int
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
        query = (
            "SELECT series, round, value FROM sample_batches"
            " WHERE run = ? AND first_round <= ? AND last_round >= ? ORDER BY id"
        )
        rows = self._db.execute(query, (run, last_round, first_round)).fetchall()
        series, rounds, values = zip(*rows, strict=True) if rows else ((), (), ())
        return (
            np.frombuffer(b"".join(series), "<i4"),
            np.frombuffer(b"".join(rounds), "<i4"),
            np.frombuffer(b"".join(values), "<f8"),
        )


def position(ids: list[int], column: NDArray[np.int32]) -> NDArray[np.int64]:
    """Where each of `column` stands in the sorted `ids`, by a table as wide as their range."""
    if not ids:
        return np.zeros(0, np.int64)
    table = np.zeros(ids[-1] - ids[0] + 1, np.int64)
    table[np.array(ids) - ids[0]] = np.arange(len(ids))
    return table[column - ids[0]]


def cut(
    blocks: list[tuple[int, int, int]], first_round: int, last_round: int, samples: int
) -> list[tuple[int, int]]:
    """Part a range of rounds so that no block of (first, last, samples) is parted."""
    cuts: list[int] = []
    held, reached = 0, first_round
    for first, last, number in blocks:
        if held + number > samples and first > reached:
            cuts.append(first)
            held = 0
        held, reached = held + number, max(reached, last)
    begins, ends = [first_round, *cuts], [*(at - 1 for at in cuts), last_round]
    return list(zip(begins, ends, strict=True))
