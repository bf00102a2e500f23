"""Random edits of an audit trail, as whoever can write its file may make them."""

from __future__ import annotations

import random
from collections.abc import Callable

#: What an edit is called, and how it is made: (lines with their newlines, generator) -> content.
Edit = Callable[[list[bytes], random.Random], bytes]


def edited(content: bytes, rng: random.Random) -> tuple[str, bytes]:
    """The content after one random edit, and what kind of edit it was."""
    kind = rng.choice(sorted(EDITS))
    return kind, EDITS[kind](content.splitlines(keepends=True), rng)


def _byte(lines: list[bytes], rng: random.Random) -> bytes:
    content = b"".join(lines)
    place = rng.randrange(len(content))
    other = rng.choice([value for value in range(256) if value != content[place]])
    return content[:place] + bytes([other]) + content[place + 1 :]


def _deleted(lines: list[bytes], rng: random.Random) -> bytes:
    del lines[rng.randrange(len(lines))]
    return b"".join(lines)


def _inserted(lines: list[bytes], rng: random.Random) -> bytes:
    new = rng.choice([rng.choice(lines), b'{"body":{}}\n', b"\n"])
    lines.insert(rng.randrange(len(lines)), new)
    return b"".join(lines)


def _swapped(lines: list[bytes], rng: random.Random) -> bytes:
    one, other = rng.sample(range(len(lines)), 2)
    lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)


def _cut(lines: list[bytes], rng: random.Random) -> bytes:
    content = b"".join(lines)
    return content[: rng.randrange(len(content))]


EDITS: dict[str, Edit] = {
    "byte": _byte,
    "deletion": _deleted,
    "insertion": _inserted,
    "swap": _swapped,
    "truncation": _cut,
}
