"""Files that were replaced, until the last reader that may still use them has ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

#: Seconds that a file outlives its row, for readers in other processes.
GRACE = 30.0


class Leases:
    """Counts readers and lets go of files. Safe for any thread.

    A reader takes its lease before its snapshot begins. So once every lease that was there when a
    file's row went has ended, nobody can have seen the row.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, grace: float = GRACE) -> None:
        self._lock = threading.Lock()
        self._clock = clock
        self._grace = grace
        self._next = 0
        self._held: set[int] = set()
        self._retired: list[tuple[int, float, Path]] = []

    @contextmanager
    def held(self) -> Iterator[None]:
        """Read under a lease."""
        with self._lock:
            lease = self._next
            self._next += 1
            self._held.add(lease)
        try:
            yield
        finally:
            with self._lock:
                self._held.discard(lease)

    def retire(self, files: Sequence[Path]) -> None:
        """Call after the commit that took the files' rows away."""
        with self._lock:
            now = self._clock()
            self._retired += [(self._next, now, file) for file in files]

    def sweep(self, *, at_once: bool = False) -> int:
        """Unlink what nobody can use any more, and say how many files that were."""
        with self._lock:
            oldest = min(self._held, default=self._next)
            ripe = self._clock() - (0.0 if at_once else self._grace)
            gone = [f for lease, when, f in self._retired if lease <= oldest and when <= ripe]
            self._retired = [entry for entry in self._retired if entry[2] not in gone]
        for file in gone:
            file.unlink(missing_ok=True)
        return len(gone)

    @property
    def waiting(self) -> int:
        """Files that are still kept for somebody."""
        return len(self._retired)
