"""Whose turn it is: one of several processes writes the trail at a time, for one append."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK = "lock"
#: So long a turn is waited for: an append takes microseconds, removing old files milliseconds.
LOCK_SECONDS = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.0001, 0.005


class Turns:
    """The lock of the trail in `folder`. The kernel lets go of it for a process that is killed.

    Its file grows by a byte before files of the trail come or go: its size says whether they did.
    Raises OSError where there can be no such file.
    """

    def __init__(self, folder: Path, seconds: float = LOCK_SECONDS) -> None:
        self._seconds = seconds
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._handle = os.open(folder / LOCK, flags, 0o600)

    def take(self) -> None:
        """Wait for the turn. Raises OSError where somebody keeps theirs."""
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _wait(self._handle, fcntl.LOCK_EX, self._seconds)

    def give(self) -> None:
        """End it."""
        fcntl.flock(self._handle, fcntl.LOCK_UN)

    def files(self) -> int:
        """A number that is another one once files came or went; asked in one's turn."""
        return os.lseek(self._handle, 0, os.SEEK_END)

    def files_change(self) -> None:
        """Say that files are about to come or go, in one's turn."""
        os.write(self._handle, b".")

    def there(self) -> bool:
        """Whether others come by the same lock: its file was not removed."""
        return os.fstat(self._handle).st_nlink > 0

    def close(self) -> None:
        """Take no more turns."""
        os.close(self._handle)


@contextmanager
def still(folder: Path, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Nobody writes meanwhile; where the lock is not to be had, as in a copy, it goes on without:
    whoever only reads spoils nothing."""
    try:
        handle = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    try:
        with suppress(OSError):
            _wait(handle, fcntl.LOCK_SH, seconds)
        yield
    finally:
        os.close(handle)


def _wait(handle: int, how: int, seconds: float) -> None:
    end, pause = time.monotonic() + seconds, _FIRST_PAUSE
    while True:
        try:
            fcntl.flock(handle, how | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > end:
                message = f"another process has kept it to itself for {seconds:g} s"
                raise OSError(errno.EAGAIN, message) from None
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
