"""Who keeps the turn to write the trail, as far as the kernel tells."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from fedsight.door.times import rfc3339

_LOCKS, _PROCESSES = Path("/proc/locks"), Path("/proc")
_STOPPED = {"T": "which is stopped", "t": "which a debugger stopped"}


@dataclass(frozen=True)
class Held:
    """Somebody else has the turn: it was not to be had here since `since` (Unix nanoseconds, and
    `begun` by the monotonic clock). `pid` is None where that is not known."""

    since: int
    begun: float
    pid: int | None = None
    stopped: str | None = None

    @property
    def seconds(self) -> float:
        """For how long."""
        return time.monotonic() - self.begun

    def __str__(self) -> str:
        who = "another process" if self.pid is None else f"process {self.pid}"
        how = f", {self.stopped}," if self.stopped else ""
        return f"{who}{how} has kept it to itself since {rfc3339(self.since)}"


def keeper(handle: int) -> tuple[int | None, str | None]:
    """The process that holds a `flock` on a file, and whether it is stopped; None where that cannot
    be told: elsewhere than on Linux, or where it is in another container."""
    try:
        found = os.fstat(handle)
        place = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
        for line in _LOCKS.read_text(encoding="ascii").splitlines():
            parts = line.split()
            if parts[1:2] == ["FLOCK"] and parts[5] == place:
                pid = int(parts[4])
                return (pid, _stopped(pid)) if pid > 0 else (None, None)
    except (OSError, ValueError, IndexError):
        pass
    return None, None


def _stopped(pid: int) -> str | None:
    try:
        told = (_PROCESSES / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name stands in brackets and may hold any letter: what comes after the last one counts.
    return _STOPPED.get(told.rpartition(")")[2].split()[0])
