"""One process owns a journal: an exclusive flock that the kernel gives up when the process dies."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

POLL_SECONDS = 0.02


class Ownership:
    """An exclusive lock on a file of its own, beside what it protects.

    The file stays behind when the lock is released, and whoever owns it may `remove` it: one who
    waited for the removed file's lock takes up the new file's instead. Raises OSError where the
    file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = self._opened()

    def _opened(self) -> int:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def acquire(self, wait: float) -> bool:
        """Whether the lock is ours, after trying for at most `wait` seconds."""
        deadline = time.monotonic() + wait
        while not self._try():
            if time.monotonic() >= deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def _try(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        if self._is_current():
            return True
        os.close(self._descriptor)
        self._descriptor = self._opened()
        return False

    def _is_current(self) -> bool:
        """Whether the file that we locked is still the one of that name."""
        try:
            return os.path.samestat(os.fstat(self._descriptor), os.stat(self._path))
        except FileNotFoundError:
            return False

    def remove(self) -> None:
        """Remove the file, as its owner, and give the lock up."""
        self._path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Give the lock up; harmless when done twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
