"""Files that are there whole or not at all, and locks between processes."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: So long a lock is waited for: to replace a set takes some tens of milliseconds.
LOCK_SECONDS = 5.0
_PAUSE = 0.01


class KeptError(OSError):
    """Another process keeps a lock to itself."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EAGAIN, f"another process keeps {path} to itself")

    def __str__(self) -> str:
        return str(self.strerror)


def written(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Put a file in place whole: written beside, synced, renamed. Raises OSError."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        fresh(beside, content, mode)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(path.parent)


def created(path: Path, content: bytes, *, mode: int = 0o644) -> bool:
    """The same, but only where there is no such file yet; False where there is one."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        fresh(beside, content, mode)
        os.link(beside, path)
    except FileExistsError:
        return False
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(path.parent)
    return True


def fresh(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Make a file that is not there yet, and sync it. Raises OSError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make what was renamed in a folder last."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(path: Path, seconds: float | None = None) -> Iterator[None]:
    """Hold a lock file that one process at a time can hold; waits for it, usually for 5 s at most.
    Raises OSError, KeptError where another process keeps it all the time.

    Whoever can read the file can keep it: it is its owner's alone.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    handle = os.open(path, flags, 0o600)
    try:
        found = os.fstat(handle)
        if found.st_uid == os.geteuid() and found.st_mode & 0o077:
            with suppress(OSError):  # a file system without rights
                os.fchmod(handle, 0o600)
        _wait(handle, path, LOCK_SECONDS if seconds is None else seconds)
        yield
    finally:
        os.close(handle)


def _wait(handle: int, path: Path, seconds: float) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if time.monotonic() >= end:
                raise KeptError(path) from error
        time.sleep(_PAUSE)
