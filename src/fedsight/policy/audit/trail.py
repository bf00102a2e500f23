"""Writing the trail: one process at a time appends, signs the head now and then, and anchors it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from fedsight.policy import disk
from fedsight.policy.audit import canonical, segments
from fedsight.policy.audit.keys import SigningKey
from fedsight.policy.audit.record import (
    HEAD,
    NOTHING,
    OPENED,
    RETIRED,
    TORN,
    Anchor,
    AuditError,
    made,
    read,
    signed_text,
)

#: Told of each signed head: what a witness elsewhere is to keep.
Witness = Callable[[Anchor], object]

HEAD_RECORDS, HEAD_SECONDS = 100, 60.0
SEGMENT_BYTES = 8 * 2**20
LOCK = "lock"


class Trail:
    """The trail in `folder`, open for appending. Safe to use from any thread.

    The head is signed after `head_records` records or `head_seconds`, and when it is closed;
    `witness` is given each. What was recorded outlives the process, and from the next signed head
    on a loss of power too; with `durable` at once. A record that could not be written whole is
    taken back, and AuditError raised. Raises AuditError where another process writes, or the
    trail's end cannot be read.
    """

    def __init__(
        self,
        folder: Path,
        key: SigningKey,
        witness: Witness = lambda _: None,
        *,
        head_records: int = HEAD_RECORDS,
        head_seconds: float = HEAD_SECONDS,
        segment_bytes: int = SEGMENT_BYTES,
        durable: bool = False,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self.folder = folder
        self._key = key
        self._witness = witness
        self._head_records = head_records
        self._head_seconds = head_seconds
        self._segment_bytes = segment_bytes
        self._durable = durable
        self._now = now
        self._mutex = threading.RLock()
        self._unsigned = 0
        self._signed_at = time.monotonic()
        self.log, self.seq, self.hash = "", 0, NOTHING
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._hold = self._locked()
            self._open()
        except OSError as error:
            raise AuditError(f"cannot open the audit trail {folder}: {error}") from error

    def append(self, kind: str, body: Mapping[str, Any]) -> int:
        """Record something; its sequence number. Raises AuditError where it is not on disk."""
        return self.append_all([(kind, body)])

    def append_all(self, records: Iterable[tuple[str, Mapping[str, Any]]]) -> int:
        """Record several things at once, all or none; the last one's sequence number.

        Raises AuditError where they could not be written.
        """
        with self._mutex:
            last = self._write([(kind, canonical.plain(body)) for kind, body in records])
            old = time.monotonic() - self._signed_at > self._head_seconds
            if self._unsigned >= self._head_records or (old and self._unsigned):
                self.sign()
            return last

    def sign(self) -> Anchor | None:
        """Sign the head, see it on disk, and let the witness know; None where it is signed."""
        with self._mutex:
            if not self._unsigned:
                return None
            body = {"hash": self.hash, "seq": self.seq, "signature": self._signature()}
            self._write([(HEAD, body)])
            anchor = Anchor(self.log, self.seq, self.hash, self._signature())
            self._unsigned, self._signed_at = 0, time.monotonic()
            try:
                os.fsync(self._file)
            except OSError as error:
                raise AuditError(f"cannot write the audit trail {self.folder}: {error}") from error
        self._witness(anchor)
        return anchor

    def retire(self, before_seq: int) -> int:
        """Remove files all of whose records are older than `before_seq`; how many records went.

        What is removed is named in the trail first, by its last hash, and that is signed: the chain
        that stays is proven from there.
        """
        with self._mutex:
            all_ = segments.segments(self.folder)
            old = [one for one, after in pairwise(all_) if after.first <= before_seq]
            if not old:
                return 0
            last = all_[len(old)].first - 1
            first_line = next(iter(segments.lines(self.folder)))
            end = _first_of(all_[len(old)].path)
            begun = read(first_line.text)[0]
            body = {"first": begun.seq if begun else 0, "last": last, "hash": end}
            self._write([(RETIRED, body)])
            self.sign()
            try:
                for one in old:
                    one.path.unlink()
                disk.sync_folder(self.folder)
            except OSError as error:
                raise AuditError(f"cannot remove old records: {error}") from error
            return last - (begun.seq if begun else 0) + 1

    def close(self) -> None:
        """Sign the head and let go of the trail. Harmless when done twice."""
        with self._mutex:
            if self._hold is None:
                return
            try:
                self.sign()
            finally:
                os.close(self._file)
                os.close(self._hold)
                self._hold = None

    def __enter__(self) -> Trail:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _signature(self) -> str:
        return self._key.sign(signed_text(self.log, self.seq, self.hash))

    def _locked(self) -> int | None:
        handle = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise AuditError(f"another process writes the audit trail {self.folder}") from None
        return handle

    def _open(self) -> None:
        found = segments.segments(self.folder)
        if not found:
            self.log = secrets.token_hex(16)
            self._begin(1)
            self._write([(OPENED, {"key": self._key.public.text})])
            return
        kept, torn = _end(found[-1].path)
        if kept is None and len(found) > 1:
            kept, _ = _end(found[-2].path)
        if kept is None:
            raise AuditError(f"the audit trail {self.folder} has no readable end; verify it")
        last, wrong = read(kept)
        if last is None or wrong:
            raise AuditError(f"the last record of the audit trail {self.folder} {wrong}; verify it")
        self.log, self.seq, self.hash = last.log, last.seq, last.hash
        self._unsigned = 0 if last.kind == HEAD else 1
        self._file = os.open(found[-1].path, os.O_RDWR | os.O_APPEND)
        self._size = os.fstat(self._file).st_size
        if torn:
            self._size -= len(torn)
            os.ftruncate(self._file, self._size)
            digest = hashlib.sha256(torn).hexdigest()
            self._write([(TORN, {"bytes": len(torn), "sha256": digest})])

    def _begin(self, first: int) -> None:
        """Go on in a new file."""
        path = self.folder / segments.name(first)
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        self._size = 0
        disk.sync_folder(self.folder)

    def _write(self, records: list[tuple[str, Any]]) -> int:
        seq, hash_, parts = self.seq, self.hash, []
        for kind, body in records:
            seq += 1
            hash_, line = made(self.log, seq, hash_, self._now(), kind, body)
            parts.append(line + b"\n")
        content = b"".join(parts)
        try:
            if self._size and self._size + len(content) > self._segment_bytes:
                full = self._file
                self._begin(self.seq + 1)
                os.close(full)
            self._whole(content)
        except OSError as error:
            why = error.strerror or error
            raise AuditError(f"cannot write the audit trail {self.folder}: {why}") from error
        self.seq, self.hash = seq, hash_
        self._size += len(content)
        self._unsigned += len(records)
        return seq

    def _whole(self, content: bytes) -> None:
        """Write all of it, or leave the file as it was."""
        done = 0
        try:
            while done < len(content):
                done += os.write(self._file, content[done:])
            if self._durable:
                os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, self._size)
            raise


def _end(path: Path) -> tuple[bytes | None, bytes]:
    """The last whole line of a file, and what stands after it without a newline."""
    content = path.read_bytes()
    whole, _, torn = content.rpartition(b"\n")
    return (whole.rpartition(b"\n")[2] or None), torn


def _first_of(path: Path) -> str:
    """`prev` of a file's first record: the hash of all before it."""
    with path.open("rb") as file:
        found, wrong = read(file.readline().removesuffix(b"\n"))
    if found is None or wrong:
        raise AuditError(f"the first record of {path.name} {wrong}; verify the trail")
    return found.prev
