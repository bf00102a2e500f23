"""One window that is held in memory, with the account of what came to it."""

from __future__ import annotations

from dataclasses import dataclass

from fedsight.telemetry.windows.contract import Added, Figures
from fedsight.telemetry.windows.frames import Rows
from fedsight.telemetry.windows.slots import NOTHING, Extent, Kept, merged


@dataclass
class Holding:
    """A window; `version` grows with each change."""

    kept: Kept = NOTHING
    version: int = 0
    written: int = 0
    conflicting: int = 0
    late: int = 0
    ahead: int = 0

    def add(self, rows: Rows, extent: Extent, now: int) -> Added:
        """Put rows where they belong."""
        self.kept, added = merged(self.kept, rows, extent, now)
        self.conflicting += added.conflicting
        self.late += added.late
        self.ahead += added.ahead
        if added.rows:
            self.version += 1
            self.written = now
        return added

    def figures(self) -> Figures | None:
        """The window in figures; None while it has no rows."""
        times = self.kept.rows.times
        if not len(times):
            return None
        first, last = int(times[0]), int(times[-1])
        counts = self.conflicting, self.late, self.ahead
        return Figures(len(times), first, last, self.written, *counts)
