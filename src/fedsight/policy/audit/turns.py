"""Whose turn it is: one of several processes writes the trail at a time, for one append."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fedsight.policy.audit.holding import Held, keeper

LOCK = "lock"
#: So long a turn is waited for: an append takes microseconds, removing old files milliseconds.
LOCK_SECONDS = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.0001, 0.005
#: Whoever tried this long ago and not since does not know that it was kept all the time.
_STALE_SECONDS = 1.0
#: From so many seconds on it is looked up who keeps it.
_TELLING_SECONDS = 0.2


class HeldError(OSError):
    """Somebody else keeps the turn."""

    def __init__(self, held: Held) -> None:
        super().__init__(errno.EAGAIN, str(held))


class Turns:
    """The lock of the trail in `folder`. The kernel lets go of it for a process that is killed.

    Its file grows by a byte before files of the trail come or go: its size says whether they did.
    Raises OSError where there can be no such file.
    """

    def __init__(self, folder: Path, seconds: float = LOCK_SECONDS) -> None:
        self._seconds = seconds
        self._path = folder / LOCK
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._handle = os.open(self._path, flags, 0o600)
        self._held: Held | None = None
        self._tried = 0.0

    def take(self, seconds: float | None = None) -> None:
        """Wait for the turn for so long after it was first not to be had: who comes later, while it
        is kept, waits for what is left of that. Raises HeldError."""
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._wait(self._seconds if seconds is None else seconds)
        self._held = None

    def _wait(self, seconds: float) -> None:
        now, pause = time.monotonic(), _FIRST_PAUSE
        if self._held is None or now - self._tried > _STALE_SECONDS:
            self._held = Held(time.time_ns(), now)
        end = self._held.begun + seconds
        while (now := time.monotonic()) < end:
            time.sleep(min(pause, end - now))
            pause = min(pause * 2, _LONGEST_PAUSE)
            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                continue
        self._tried = now
        raise HeldError(self._named(self._held))

    def held(self) -> Held | None:
        """Who keeps the turn from us; None where we had it when we tried last."""
        held = self._held
        return None if held is None else self._named(held)

    def _named(self, held: Held) -> Held:
        if held.seconds < _TELLING_SECONDS:
            return held
        return Held(held.since, held.begun, *keeper(self._handle))

    @property
    def seconds(self) -> float:
        """How long a turn is waited for."""
        return self._seconds

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
        """Whether others come by the same lock: its file is still the one in the folder."""
        return same(self._path, self._handle)

    def close(self) -> None:
        """Take no more turns."""
        os.close(self._handle)


def same(path: Path | str, handle: int) -> bool:
    """Whether what is open is what the path leads to. Raises OSError."""
    try:
        found, ours = os.lstat(path), os.fstat(handle)
    except FileNotFoundError:
        return False
    return (found.st_ino, found.st_dev) == (ours.st_ino, ours.st_dev)


@contextmanager
def still(folder: Path, seconds: float = LOCK_SECONDS) -> Iterator[bool]:
    """Nobody writes meanwhile. False where somebody keeps the lock all the time: they may be
    writing. A copy has no lock, and nobody writes it."""
    try:
        handle = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        yield True
        return
    try:
        yield _shared(handle, seconds)
    finally:
        os.close(handle)


def _shared(handle: int, seconds: float) -> bool:
    end, pause = time.monotonic() + seconds, _FIRST_PAUSE
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
        except OSError:
            return True  # a file system without locks
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
