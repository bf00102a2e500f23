"""The hot log: applies checked shipments to the store, each record once.

Whoever calls holds the one writing connection and decides where transactions begin and end.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from fedsight.collector.store import runlog
from fedsight.collector.store.prepare import EventEntry, Record, SampleBlock, SpanBlock, prepare
from fedsight.collector.store.samples import SampleWriter
from fedsight.door.refusal import RefusedError
from fedsight.journal import GapError
from fedsight.signals import Event, Shipment

#: Stands where samples say which journal they came from.
OWN_JOURNAL = "collector"
DIRECT = "direct"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A shipment whose records were checked."""

    journal: str
    first_seq: int
    oldest_seq: int
    records: Sequence[Record]


def prepared(shipment: Shipment) -> Prepared:
    """Check a shipment; raises BadFieldError naming the first value out of range."""
    records = prepare(shipment)
    return Prepared(shipment.journal, shipment.first_seq, shipment.oldest_seq, records)


class HotLog:
    """Writes shipments, their events and what they mean for runs and rounds."""

    def __init__(self, connection: sqlite3.Connection, samples: SampleWriter) -> None:
        self._db = connection
        self._samples = samples
        #: Records that were written since somebody last took them away.
        self.written: list[Record] = []
        #: Why no samples are taken in for now; None while they are.
        self.samples_refused: str | None = None

    def apply(self, shipment: Prepared, received: int) -> int:
        """Store what is new and advance the journal's cursor; return the seq expected next.

        Raises GapError where records are missing that could still be had, and BadFieldError where a
        run id belongs to another journal's run; the caller then rolls back.
        """
        expected = self.next_seq(shipment.journal)
        first = shipment.first_seq
        if first > expected:
            if first != shipment.oldest_seq:
                raise GapError(expected)
            self._note_gap(shipment, expected, received)
            expected = first
        for seq, record in enumerate(shipment.records, first):
            if seq >= expected:
                path = f"records[{seq - first}]"
                self._write(shipment.journal, seq, record, received, path)
                self.written.append(record)
        after = max(expected, first + len(shipment.records))
        self._advance(shipment.journal, after - 1)
        for run in _timed(shipment.records):
            runlog.refresh(self._db, run)
        return after

    def append(self, record: Record, received: int) -> None:
        """Store signals of the collector's own, which come from no journal."""
        self._write(OWN_JOURNAL, 0, record, received, "own")
        self.written.append(record)

    def admit(self, record: Record) -> None:
        """Raises RefusedError (503) where samples are taken no more."""
        if record.samples and self.samples_refused is not None:
            raise RefusedError(503, "store_behind", self.samples_refused)

    def append_all(self, records: Sequence[Record], received: int) -> None:
        """Store samples that come from no journal, those of one run together."""
        seen: dict[str, tuple[int, int]] = {}
        blocks: dict[str | None, list[SampleBlock]] = {}
        for record in records:
            for run, (first, last) in record.runs.items():
                earliest, latest = seen.get(run, (first, last))
                seen[run] = (min(earliest, first), max(latest, last))
            for block in record.samples:
                blocks.setdefault(block.run, []).append(block)
        for run, (first, last) in seen.items():
            runlog.touch(self._db, run, first, last, received)
        for record in records:
            for (run, round_), figures in record.figures.items():
                runlog.set_figures(self._db, run, round_, figures)
        for together in blocks.values():
            self._samples.append_all(DIRECT, together)
        self.written += records

    def forget_cached(self) -> None:
        """Call after a rollback: what was cached of undone writes is no longer so."""
        self._samples.forget_cached()

    def next_seq(self, journal: str) -> int:
        """The sequence number expected next from this journal."""
        query = "SELECT last_seq FROM journals WHERE id = ?"
        found = self._db.execute(query, (journal,)).fetchone()
        return 1 if found is None else int(found[0]) + 1

    def _advance(self, journal: str, last_seq: int) -> None:
        self._db.execute(
            "INSERT INTO journals VALUES (?, ?)"
            " ON CONFLICT (id) DO UPDATE SET last_seq = excluded.last_seq",
            (journal, last_seq),
        )

    def _note_gap(self, shipment: Prepared, expected: int, received: int) -> None:
        runs = {run for record in shipment.records for run in record.runs}
        details = {
            "journal": shipment.journal,
            "from_seq": expected,
            "to_seq": shipment.first_seq - 1,
        }
        run = runs.pop() if len(runs) == 1 else None
        gap = Event(received, "collector", "JOURNAL_GAP", run, details=details)
        self._insert_events([EventEntry(gap, msgspec.json.encode(details).decode(), None)])

    def _write(self, journal: str, seq: int, record: Record, received: int, path: str) -> None:
        self.admit(record)
        for run, (first, last) in record.runs.items():
            runlog.touch(self._db, run, first, last, received)
        for at, entry in enumerate(record.events):
            runlog.fold(self._db, journal, entry, f"{path}.events[{at}]")
        for (run, round_), figures in record.figures.items():
            runlog.set_figures(self._db, run, round_, figures)
        self._insert_events(record.events)
        for block in record.spans:
            self._insert_spans(block)
        for part in record.samples:
            self._samples.append(journal, seq, part)

    def _insert_events(self, entries: Sequence[EventEntry]) -> None:
        rows = [
            (e.time, e.source, e.kind, e.run, e.round, e.node, entry.json)
            for entry in entries
            for e in (entry.event,)
        ]
        self._db.executemany(
            "INSERT INTO events (time, source, kind, run, round, node, details)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            rows,
        )

    def _insert_spans(self, block: SpanBlock) -> None:
        self._db.execute(
            "INSERT INTO span_batches (run, round, n, first_start, nodes, node, phase, ok, start,"
            " duration) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                block.run,
                block.round,
                len(block.start),
                int(block.start.min()),
                msgspec.json.encode(block.nodes).decode(),
                block.node.astype("<i4").tobytes(),
                block.phase.tobytes(),
                block.ok.tobytes(),
                block.start.astype("<i8").tobytes(),
                block.duration.astype("<i8").tobytes(),
            ),
        )


def _timed(records: Sequence[Record]) -> set[str]:
    """Runs of which these records say how long a round took."""
    return {run for record in records for (run, _), f in record.figures.items() if "seconds" in f}
