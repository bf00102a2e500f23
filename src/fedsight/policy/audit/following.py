"""Following a trail to its end, as others add to it: what they wrote must fit what was known."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from fedsight.policy.audit import segments
from fedsight.policy.audit.keys import PublicKey
from fedsight.policy.audit.record import (
    HEAD,
    LINE_BYTES,
    NOTHING,
    RETIRED,
    AuditError,
    Link,
    link,
    read,
)
from fedsight.policy.audit.segments import Segment
from fedsight.policy.audit.turns import same

_CHUNK_BYTES = 2**20
#: No clock of a file system is coarser.
_TICK_NS = 100_000_000


class Told(NamedTuple):
    """A record as a listener is told of it; `own` where this writer wrote it."""

    seq: int
    kind: str
    hash: str
    log: str
    time: int
    body: Mapping[str, Any]
    own: bool


_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW

#: Told of each record, in the trail's order.
Listener = Callable[[Told], None]


class Watched:
    """Whether files came to a folder or went, or it is another one, since this was asked last.

    Two changes within a tick of the file system's clock look alike: one that is younger than that
    counts as a change each time.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = str(folder)
        self._seen: object = None

    def changed(self) -> bool:
        """Whether it may be so."""
        try:
            stat = os.stat(self._folder)
        except OSError:
            self._seen = None
            return True
        seen = stat.st_mtime_ns, stat.st_ino, stat.st_dev
        if seen == self._seen:
            return False
        settled = time.time_ns() - stat.st_mtime_ns > _TICK_NS
        self._seen = seen if settled else None
        return True


class Mark(NamedTuple):
    """A place up to which a trail is written whole: so many bytes of the file with that name."""

    first: int
    size: int


class End:
    """The end of the trail in `folder` as far as it was followed.

    `seq` and `hash` are of the last record, `unsigned` how many came after the last signed head.
    `file` is open for appending, `size` bytes of it were followed. What others write must follow
    record by record, with the hash of what it says, heads with the key's signature: AuditError is
    raised where it does not, and each time after. Raises OSError where it cannot be read.
    """

    def __init__(self, folder: Path, key: PublicKey, listener: Listener | None) -> None:
        self.folder = folder
        self._path = f"{folder}{os.sep}"
        self._key = key
        self._listener = listener
        self.log, self.seq, self.hash = "", 0, NOTHING
        self.unsigned, self.signed_at = 0, time.monotonic()
        self.first, self.file, self.size = 0, -1, 0
        self._gap: tuple[int, str] | None = None

    def find(self) -> None:
        """Go to the end of what is there. `seq` stays 0 where nothing was written, `first`, too,
        where there is no file."""
        found = segments.segments(self.folder)
        if not found:
            return
        newest = found[-1]
        kept, size = _end(newest.path)
        if kept is None and len(found) > 1:
            kept, _ = _end(found[-2].path)
        if kept is not None:
            last, wrong = read(kept)
            if last is None or wrong:
                raise AuditError(f"the last record of the audit trail {self.folder} {wrong}; {DO}")
            self.log, self.seq, self.hash = last.log, last.seq, last.hash
            signed = last.kind == HEAD and self._key.signs_head(
                last.log, last.seq - 1, last.prev, last.body.get("signature")
            )
            self.unsigned = 0 if signed else 1
        elif newest.first != 1:
            raise AuditError(f"the audit trail {self.folder} has no readable end; {DO}")
        self._open(newest, size)

    def begin(self, first: int) -> None:
        """Go on in a new file."""
        path = self.folder / segments.name(first)
        self._takes(first, os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600), 0)

    def _open(self, segment: Segment, size: int) -> None:
        opened = os.open(segment.path, _FLAGS)
        self._takes(segment.first, opened, size)

    def _takes(self, first: int, file: int, size: int) -> None:
        self.close()
        self.first, self.file, self.size = first, file, size

    def close(self) -> None:
        """Let go of the file."""
        if self.file >= 0:
            os.close(self.file)
            self.file = -1

    def behind(self) -> int:
        """How many bytes were written to the file since, or fewer."""
        written = os.lseek(self.file, 0, os.SEEK_END)
        return written - self.size if self._gap is None else 1

    def ended(self) -> bool:
        """Whether the file is not the trail's last one any more."""
        return not same(f"{self._path}{self.first:012}.jsonl", self.file) or self._goes_on()

    def _goes_on(self) -> bool:
        """Whether there is a file that begins with the next record."""
        after = self.seq + 1
        return self.first != after and os.access(f"{self._path}{after:012}.jsonl", os.F_OK)

    def mark(self) -> Mark:
        """How far it is written; to be asked while nobody writes."""
        newest = segments.segments(self.folder)[-1:]
        if not newest:
            raise self._unfit("its files are gone")
        return Mark(newest[0].first, newest[0].path.stat().st_size)

    def follow(self, until: Mark | None = None) -> None:
        """Follow it up to its last whole record, or up to a mark."""
        while True:
            here = until is not None and until.first == self.first
            self._read(until.size if here and until else None)
            if here or not self._next():
                break
        if self._gap is not None:
            raise self._unfit(f"records to {self._gap[0]} are gone, and nothing signed says so")

    def torn(self) -> bytes:
        """Take away what stands after the last whole record: what a killed writer left."""
        left = os.fstat(self.file).st_size - self.size
        if left > LINE_BYTES:
            raise self._unfit(f"{left} bytes at its end are no record")
        torn = os.pread(self.file, left, self.size) if left > 0 else b""
        if torn:
            os.ftruncate(self.file, self.size)
        return torn

    def add(self, content: bytes) -> None:
        """Write all of it at the end, or leave the file as it was."""
        done = 0
        try:
            while done < len(content):
                done += os.write(self.file, content[done:])
        except OSError:
            os.ftruncate(self.file, self.size)
            raise

    def grew(
        self, hash_: str, time_: int, kind: str, body: Mapping[str, Any], line_bytes: int
    ) -> None:
        """One more record was written at the end."""
        self._passed(hash_, kind, line_bytes)
        if self._listener is not None:
            self._listener(Told(self.seq, kind, hash_, self.log, time_, body, True))

    def _next(self) -> bool:
        """Go on with the next file; False where this is the last one."""
        if self._goes_on():
            if os.fstat(self.file).st_size != self.size:
                raise self._unfit(f"{segments.name(self.first)} is cut short, and another follows")
            self._open(Segment(self.seq + 1, self.folder / segments.name(self.seq + 1)), 0)
            return True
        if os.fstat(self.file).st_nlink:
            return False
        later = [one for one in segments.segments(self.folder) if one.first > self.seq]
        if not later:
            raise self._unfit(f"{segments.name(self.first)} is gone")
        # Several files were retired since: a signed record further on must say so.
        self.seq, self.hash = later[0].first - 1, first_of(later[0])
        self._gap = self.seq, self.hash
        self._open(later[0], 0)
        return True

    def _read(self, size: int | None) -> None:
        size = os.fstat(self.file).st_size if size is None else size
        if size < self.size:
            raise self._unfit(f"{segments.name(self.first)} is shorter than it was")
        at, rest = self.size, b""
        while at < size and (chunk := os.pread(self.file, min(_CHUNK_BYTES, size - at), at)):
            at += len(chunk)
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                self._take(line)
            if len(rest) > LINE_BYTES:
                raise self._unfit(f"record {self.seq + 1} is larger than {LINE_BYTES} bytes")

    def _take(self, line: bytes) -> None:
        found = link(line) if len(line) <= LINE_BYTES else None
        if found is None or (found.log, found.seq, found.prev) != (
            self.log,
            self.seq + 1,
            self.hash,
        ):
            raise self._unfit(f"record {self.seq + 1} does not follow the one before")
        body: Mapping[str, Any] = {}
        if self._listener is not None or found.kind in (HEAD, RETIRED):
            body = _body(line)
        if found.kind == HEAD and not self._signed(found, body):
            raise self._unfit(f"record {found.seq} is a head that the key did not sign")
        if found.kind == RETIRED and self._gap == self._key.signs_retired(self.log, body):
            self._gap = None
        self._passed(found.hash, found.kind, len(line) + 1)
        if self._listener is not None:
            self._listener(
                Told(found.seq, found.kind, found.hash, found.log, found.time, body, False)
            )

    def _signed(self, found: Link, body: Mapping[str, Any]) -> bool:
        return self._key.signs_head(found.log, found.seq - 1, found.prev, body.get("signature"))

    def _passed(self, hash_: str, kind: str, line_bytes: int) -> None:
        self.seq += 1
        self.hash = hash_
        self.size += line_bytes
        self.unsigned += 1
        if kind == HEAD:
            self.unsigned, self.signed_at = 0, time.monotonic()

    def _unfit(self, what: str) -> AuditError:
        return AuditError(
            f"the audit trail {self.folder} was changed by somebody else: {what}; nothing is"
            f" recorded in it until this program is started again: {DO}"
        )


#: What to do about a trail that is not right.
DO = "verify it (fedsight policy audit verify)"


def first_of(segment: Segment) -> str:
    """`prev` of a file's first record, whose number must be that of its name: the hash of all
    before it. Raises AuditError, OSError."""
    with segment.path.open("rb") as file:
        found, wrong = read(file.readline(LINE_BYTES + 1).removesuffix(b"\n"))
    if found is None or wrong:
        raise AuditError(f"the first record of {segment.path.name} {wrong}; {DO}")
    if found.seq != segment.first:
        raise AuditError(f"{segment.path.name} begins with record {found.seq}; {DO}")
    return found.prev


def _body(line: bytes) -> Mapping[str, Any]:
    """What a record says. Raises AuditError."""
    try:
        said = msgspec.json.decode(line)["body"]
    except (msgspec.DecodeError, RecursionError) as error:
        raise AuditError(f"a record of the audit trail is no JSON: {error}; {DO}") from error
    return said if isinstance(said, dict) else {}


def _end(path: Path) -> tuple[bytes | None, int]:
    """The last whole line of a file, and where it ends."""
    return segments.tail(path, path.stat().st_size)
