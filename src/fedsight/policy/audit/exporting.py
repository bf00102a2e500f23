"""Reading the trail: as records of a time range, and as JSON lines to take elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from fedsight.policy.audit import segments
from fedsight.policy.audit.following import DO
from fedsight.policy.audit.record import AuditError, Record, number, read
from fedsight.policy.audit.segments import Line
from fedsight.policy.audit.turns import LOCK_SECONDS


def records(
    folder: Path, *, since: int | None = None, until: int | None = None, kind: str | None = None
) -> Iterator[Record]:
    """The records from `since` to before `until` (Unix nanoseconds), oldest first.

    Raises AuditError at the first that is wrong in itself, and where they cannot be read.
    """
    try:
        for _, found in _whole(folder):
            if _within(int(found.time), since, until) and kind in (None, found.kind):
                yield found
    except OSError as error:
        raise AuditError(f"cannot read the audit trail {folder}: {error}") from error


def export(
    folder: Path, out: BinaryIO, *, since: int | None = None, until: int | None = None
) -> int:
    """Write records as JSON lines, byte by byte as they stand in the trail; how many.

    A part that begins or ends elsewhere than the trail is still a chain, which whoever has an
    anchor of it can check.
    """
    count = 0
    try:
        for line, found in _whole(folder):
            if _within(int(found.time), since, until):
                out.write(line.text + b"\n")
                count += 1
    except OSError as error:
        raise AuditError(f"cannot export the audit trail {folder}: {error}") from error
    return count


class Page(NamedTuple):
    """Lines of the trail, and after which record to ask for more; None at its end."""

    lines: list[str]
    next: int | None


def page(
    folder: Path, after: int, *, limit: int, most_bytes: int, seconds: float = LOCK_SECONDS
) -> Page:
    """Records after record `after` as they stand in the trail: at most `limit`, of at most
    `most_bytes`, but one where there is one.

    What is wrong in itself is told, too: verifying names it. What is half written, or being written
    by somebody who keeps the turn for so many seconds, is none. Raises AuditError where they cannot
    be read, or so many lines are no records that there is no number to go on from.
    """
    found, size, last = list[str](), 0, after
    try:
        files = segments.written(folder, seconds)
        begin = max((at for at, (one, _) in enumerate(files) if one.first <= after + 1), default=0)
        for line in segments.lines_of(files[begin:]):
            seq = number(line.text)
            if not line.whole or (seq is not None and seq <= after):
                continue
            size += len(line.text)
            if found and (len(found) == limit or size > most_bytes):
                if last == after:
                    raise AuditError(f"{line.path.name} holds no record after {after}; {DO}")
                return Page(found, last)
            found.append(line.text.decode("utf-8", errors="replace"))
            last = max(last, seq or 0)
    except OSError as error:
        raise AuditError(f"cannot read the audit trail {folder}: {error}") from error
    return Page(found, None)


def _whole(folder: Path) -> Iterator[tuple[Line, Record]]:
    """Every whole record. Raises AuditError at one that is wrong in itself; OSError."""
    for line in segments.lines(folder):
        if not line.whole:
            continue  # half written: it was told to nobody
        found, wrong = read(line.text)
        if found is None or wrong:
            raise AuditError(f"{line.path.name}:{line.number} {wrong}; {DO}")
        yield line, found


def _within(time: int, since: int | None, until: int | None) -> bool:
    return (since is None or time >= since) and (until is None or time < until)
