"""Cedar's text as tokens: where a statement, a word or a fault stands in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
    (?P<blank>\s+|//[^\n]*)
  | (?P<string>"(?:\\.|[^"\\])*")
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<number>[0-9]+)
  | (?P<sign>::|==|!=|<=|>=|&&|\|\||.)
    """,
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """One token: `start` and `end` are offsets in the text."""

    text: str
    start: int
    end: int


class Place(NamedTuple):
    """A place in a text, as an editor counts: both from 1."""

    line: int
    column: int


def tokens(text: str) -> list[Token]:
    """The tokens of a Cedar policy or schema text; blanks and comments are left out."""
    return [
        Token(found.group(), found.start(), found.end())
        for found in _TOKEN.finditer(text)
        if found.lastgroup != "blank"
    ]


def place(text: str, offset: int) -> Place:
    """The line and column of an offset."""
    before = text[:offset]
    return Place(before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1)


def statements(text: str) -> Iterator[list[Token]]:
    """The tokens of each policy of a text, its `;` at the end; the last one may lack it."""
    begun: list[Token] = []
    for token in tokens(text):
        begun.append(token)
        if token.text == ";":
            yield begun
            begun = []
    if begun:
        yield begun
