"""The trail's files: `NNNNNNNNNNNN.jsonl`, named after the first record in each."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from fedsight.policy.audit.record import LINE_BYTES
from fedsight.policy.audit.turns import LOCK_SECONDS, still

_NAMED = re.compile(r"([0-9]{12})\.jsonl")


class Segment(NamedTuple):
    """One file of the trail, and the sequence number that its name says it begins with."""

    first: int
    path: Path


class Line(NamedTuple):
    """One line of a file, without its newline; `whole` where it has one."""

    path: Path
    number: int
    text: bytes
    whole: bool


def name(first: int) -> str:
    """The name of the file that begins with record `first`."""
    return f"{first:012}.jsonl"


def segments(folder: Path) -> list[Segment]:
    """The files in a folder, oldest first. Raises OSError, also where one is a link or a pipe: it
    would lead elsewhere, or be waited for."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            named = _NAMED.fullmatch(entry.name)
            if named is None:
                continue
            if not entry.is_file(follow_symlinks=False):
                raise OSError(f"{entry.name} is no regular file")
            found.append(Segment(int(named[1]), folder / entry.name))
    return sorted(found)


def written(folder: Path, seconds: float = LOCK_SECONDS) -> list[tuple[Segment, int]]:
    """The files, oldest first, and the bytes of each while nobody writes. Raises OSError.

    Whoever reads no further meets no record that is being written, and none that is taken back.
    Where somebody keeps the lock for so many seconds, what they may be writing is left out: the
    newest file ends with its last whole line.
    """
    with still(folder, seconds) as alone:
        files = [(one, one.path.stat().st_size) for one in segments(folder)]
    if files and not alone:
        newest, size = files[-1]
        files[-1] = newest, tail(newest.path, size)[1]
    return files


def tail(path: Path, size: int) -> tuple[bytes | None, int]:
    """The last whole line within the first `size` bytes of a file, and where it ends; None where
    there is none, or it is longer than a record may be. Raises OSError."""
    begin = max(0, size - 2 * LINE_BYTES)
    with path.open("rb") as file:
        file.seek(begin)
        content = file.read(size - begin)
    whole, newline, _ = content.rpartition(b"\n")
    return whole.rpartition(b"\n")[2] or None, begin + len(whole) + len(newline)


def lines(folder: Path) -> Iterator[Line]:
    """Every line, oldest first, as they were when the first was asked for. Raises OSError."""
    return lines_of(written(folder))


def lines_of(files: Iterable[tuple[Segment, int]]) -> Iterator[Line]:
    """The lines of files as `written` gives them. Raises OSError.

    One that is longer than a record may be comes in pieces, none of which is a record.
    """
    most = LINE_BYTES + 1
    for segment, size in files:
        with segment.path.open("rb") as file:
            left, number = size, 0
            while left > 0 and (text := file.readline(min(left, most))):
                left, number = left - len(text), number + 1
                whole = text.endswith(b"\n") or len(text) == most
                yield Line(segment.path, number, text.removesuffix(b"\n"), whole)
