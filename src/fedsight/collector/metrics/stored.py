"""Counts what was committed, as a tap of the writing thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fedsight.collector.store.prepare import Record


@dataclass
class StoredCounts:
    """What was committed since the start, by journals and by the collector itself."""

    commits: int = 0
    records: int = 0
    samples: int = 0
    events: int = 0
    spans: int = 0

    def tap(self, records: Sequence[Record]) -> None:
        """Count one commit; from the writing thread alone."""
        self.commits += 1
        self.records += len(records)
        for record in records:
            self.samples += sum(len(block.value) for block in record.samples)
            self.events += len(record.events)
            self.spans += sum(len(block.start) for block in record.spans)
