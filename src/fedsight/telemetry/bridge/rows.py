"""Every row goes on to the collector, by a journal."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from fedsight.journal import Journal
from fedsight.signals import Batch, SampleColumns
from fedsight.telemetry.bridge.pieces import PIECE_BYTES, Sizes, parted
from fedsight.telemetry.bridge.series import LONGEST_NAME
from fedsight.telemetry.bridge.work import Work

#: Records of events and spans that a repetition is told by, and how many are looked through for
#: them at a start.
REMEMBERED = 10_000
LOOKED_THROUGH = 500
#: Of the journal's bound: beyond, senders wait, so that nothing has to be dropped.
FULL_SHARE = 0.75


class SignalJournal:
    """A journal in which each request's events and spans stand once, however often it was sent.

    Samples need no such memory: the collector counts those of one series, time and round once. What
    was appended is remembered by its digest, and found again in the journal itself after a start.
    No record is larger than a collector takes, however much came at a time.
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._sizes = Sizes()
        self._waiting_bytes = journal.waiting_bytes()
        after = max(journal.oldest_seq - 1, journal.last_seq - LOOKED_THROUGH)
        while after < journal.last_seq:
            for seq, batch in journal.read(after, LOOKED_THROUGH):
                self._remember(_digest(_rows(batch)))
                after = seq

    def samples(self, parts: Sequence[SampleColumns]) -> None:
        """Have samples of several requests on disk, in as few records as can be."""
        for piece, size in self._sizes.pieces(parts):
            self._put(Batch(piece), size)

    def append(self, signals: Batch) -> bool:
        """Have events and spans of a request on disk; whether they were new."""
        rows = _rows(signals)
        if len(rows) <= PIECE_BYTES:
            return self._once(signals, rows)
        new = [self._once(piece, _rows(piece)) for piece in parted(signals)]
        return any(new)

    def _once(self, signals: Batch, rows: bytes) -> bool:
        digest = _digest(rows)
        if digest in self._known:
            self._known.move_to_end(digest)
            return False
        self._put(signals, len(rows))
        self._remember(digest)
        return True

    def _put(self, record: Batch, size: int) -> None:
        self.journal.append(record)
        self._waiting_bytes += size

    def _remember(self, digest: bytes) -> None:
        self._known[digest] = None
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    def look(self) -> None:
        """Ask the file how much waits."""
        self._waiting_bytes = self.journal.waiting_bytes()

    def full(self) -> bool:
        """Whether so much waits that more would push samples out."""
        return self._waiting_bytes > FULL_SHARE * self.journal.max_bytes


class Rows:
    """Forwards every row."""

    longest_name = LONGEST_NAME
    keeps = True

    def __init__(self, signals: SignalJournal) -> None:
        self._signals = signals

    def keep(self, works: Sequence[Work]) -> int:
        """All samples together, each request's events and spans by themselves."""
        self._signals.samples([work.samples for work in works if len(work.samples)])
        return keep_signals(self._signals, works)

    def tend(self, now: int) -> None:
        """Look how much waits."""
        self._signals.look()

    def full(self) -> bool:
        """Whether so much waits that more would push samples out."""
        return self._signals.full()

    def close(self) -> None:
        """The journal is somebody else's."""


def keep_signals(journal: SignalJournal, works: Sequence[Work]) -> int:
    """Append what each request brought of events and spans; returns how many were known."""
    repeated = 0
    for work in works:
        if work.signals is not None and not journal.append(work.signals):
            repeated += 1
        if work.notices is not None:
            journal.journal.append(work.notices)
    return repeated


def _rows(batch: Batch) -> bytes:
    """Events and spans as text; samples do not count."""
    return msgspec.json.encode((batch.events, batch.spans))


def _digest(rows: bytes) -> bytes:
    """Tells records of events and spans apart."""
    return hashlib.blake2b(rows, digest_size=16).digest()
