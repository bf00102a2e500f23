"""The data directory: its lock, the store's id and the token that ingest asks for."""

from __future__ import annotations

import fcntl
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from fedsight.errors import StoreError

LOCK = "collector.lock"
STORE_ID = "store-id"
TOKEN = "token"
JOURNALS = "journals"


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """A data directory that this process alone collects into, until `close`."""

    path: Path
    store_id: str
    token: str
    lock: int

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
        store_id = _created_once(path / STORE_ID, secrets.token_hex(8))
        token = _created_once(path / TOKEN, secrets.token_urlsafe(32))
    except OSError as error:
        os.close(lock)
        raise unwritable(path, error) from error
    return DataDirectory(path, store_id, token, lock)


def unwritable(path: Path, error: OSError) -> StoreError:
    """The one sentence for a data directory that cannot be written."""
    return StoreError(f"cannot write to the data directory {path}: {error.strerror or error}")


def _locked(path: Path) -> int:
    """Take the lock; the kernel gives it up when the process ends, however it ends."""
    lock = os.open(path / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 32).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise StoreError(
            f"another collector (process {holder}) already uses the data directory {path}"
        ) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _created_once(file: Path, fresh: str) -> str:
    """The file's text; where it is missing or empty, `fresh`, written whole or not at all."""
    try:
        found = file.read_text().strip()
    except FileNotFoundError:
        found = ""
    if found:
        return found
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(fresh + "\n")
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)
    return fresh
