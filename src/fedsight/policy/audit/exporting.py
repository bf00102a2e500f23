"""Reading the trail: as records of a time range, and as JSON lines to take elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from fedsight.policy.audit import segments
from fedsight.policy.audit.record import AuditError, Record, read


def records(
    folder: Path, *, since: int | None = None, until: int | None = None, kind: str | None = None
) -> Iterator[Record]:
    """The records from `since` to before `until` (Unix nanoseconds), oldest first.

    Raises AuditError at the first that is wrong in itself, and where they cannot be read.
    """
    try:
        for line in segments.lines(folder):
            found, wrong = read(line.text)
            if found is None or wrong:
                raise AuditError(f"{line.path.name}:{line.number} {wrong}; verify the trail")
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
        for line in segments.lines(folder):
            found, wrong = read(line.text)
            if found is None or wrong:
                raise AuditError(f"{line.path.name}:{line.number} {wrong}; verify the trail")
            if _within(int(found.time), since, until):
                out.write(line.text + b"\n")
                count += 1
    except OSError as error:
        raise AuditError(f"cannot export the audit trail {folder}: {error}") from error
    return count


def _within(time: int, since: int | None, until: int | None) -> bool:
    return (since is None or time >= since) and (until is None or time < until)
