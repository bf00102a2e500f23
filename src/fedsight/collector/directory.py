"""The data directory: its lock, the store's id and the token that ingest asks for."""

from __future__ import annotations

import fcntl
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from fedsight.door.token import TOKEN, created_once, token_of
from fedsight.errors import StoreError

LOCK = "collector.lock"
STORE_ID = "store-id"
JOURNALS = "journals"


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """A data directory that this process alone collects into, until `close`.

    `fresh`: its token was made just now.
    """

    path: Path
    store_id: str
    token: str
    lock: int
    fresh: bool = False

    def token_sentence(self, shown: bool) -> str:
        """Where the token is; what it is only where it is new and somebody reads this on a
        `shown` terminal, as it would stay in a log."""
        file = self.path / TOKEN
        if self.fresh and shown:
            return f"requests need this token, shown once and kept in {file}: {self.token}"
        return f"requests need the token in {file}"

    def close(self) -> None:
        """Give the directory up."""
        os.close(self.lock)


def open_directory(path: Path) -> DataDirectory:
    """Make the directory where it is missing, and take it.

    Raises StoreError with one sentence where it cannot be written, or where another collector
    has it.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = _locked(path)
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        fresh = not (path / TOKEN).exists()
        store_id = created_once(path / STORE_ID, secrets.token_hex(8))
        token = token_of(path)
    except OSError as error:
        os.close(lock)
        raise unwritable(path, error) from error
    return DataDirectory(path, store_id, token, lock, fresh)


def unwritable(path: Path, error: OSError) -> StoreError:
    """The one sentence for a data directory that cannot be written."""
    return StoreError(
        f"cannot write to the data directory {path}: {error.strerror or error};"
        " choose another with FEDSIGHT_DATA"
    )


def _locked(path: Path) -> int:
    """Take the lock; the kernel gives it up when the process ends, however it ends."""
    lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 32).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise StoreError(
            f"another collector (process {holder}) already uses the data directory {path}:"
            " end it first, or choose another directory with FEDSIGHT_DATA"
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock
