"""The trail's files: `NNNNNNNNNNNN.jsonl`, named after the first record in each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from fedsight.policy.audit.turns import still

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
    """The files in a folder, oldest first. Raises OSError."""
    return sorted(
        Segment(int(found[1]), path)
        for path in folder.iterdir()
        if (found := _NAMED.fullmatch(path.name))
    )


def written(folder: Path) -> list[tuple[Segment, int]]:
    """The files, oldest first, and the bytes of each while nobody writes. Raises OSError.

    Whoever reads no further meets no record that is being written, and none that is taken back.
    """
    with still(folder):
        return [(one, one.path.stat().st_size) for one in segments(folder)]


def lines(folder: Path) -> Iterator[Line]:
    """Every line, oldest first, as they were when the first was asked for. Raises OSError."""
    return lines_of(written(folder))


def lines_of(files: Iterable[tuple[Segment, int]]) -> Iterator[Line]:
    """The lines of files as `written` gives them. Raises OSError."""
    for segment, size in files:
        with segment.path.open("rb") as file:
            left, number = size, 0
            while left > 0 and (text := file.readline(left)):
                left, number = left - len(text), number + 1
                yield Line(segment.path, number, text.removesuffix(b"\n"), text.endswith(b"\n"))
