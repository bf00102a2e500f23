"""The trail's files: `NNNNNNNNNNNN.jsonl`, named after the first record in each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

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


def lines(folder: Path) -> Iterator[Line]:
    """Every line, oldest first. Raises OSError."""
    for segment in segments(folder):
        with segment.path.open("rb") as file:
            for number, text in enumerate(file, 1):
                yield Line(segment.path, number, text.removesuffix(b"\n"), text.endswith(b"\n"))
