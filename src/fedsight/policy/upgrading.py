"""Schemas that were written before governed runs told what they tell today.

Who asks names each attribute that it knows; a set whose schema lacks one refuses all of it. What
such a schema lacks is found here, and added as a line. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from fedsight.policy.faults import Fault
from fedsight.policy.schema import Schema
from fedsight.policy.text import Token, place, tokens

#: Of each type: an attribute by which it is known as a run's, and the line for what came later.
_LATER: Mapping[str, tuple[str, str, str]] = {
    "Client": ("trust", "private", "private?: Bool,"),
    "Run": ("stale_rounds", "private", "private?: Bool,"),
}
HOW = "`fedsight policy init --upgrade` adds it"


class Lack(NamedTuple):
    """A type of which an attribute is missing, the line to add, and behind which `{` it belongs."""

    type: str
    attribute: str
    line: str
    after: Token


def lacks(schema: Schema) -> list[Lack]:
    """What governed runs tell and a schema does not have."""
    found = tokens(schema.text)
    return [
        Lack(kind, attribute, line, brace)
        for kind, (known, attribute, line) in _LATER.items()
        if known in (has := schema.entities.get(kind, {})) and attribute not in has
        for brace in _braces(found, kind)
    ]


def warnings(file: str, schema: Schema) -> Iterator[str]:
    """What is to be said of a schema, with line and column."""
    for one in lacks(schema):
        message = (
            f"entity {one.type} lacks {one.attribute}, which governed runs tell: all of it is"
            f" refused. Add the line `{one.line}` here ({HOW})"
        )
        yield str(Fault(file, place(schema.text, one.after.end), message))


def upgraded(schema: Schema) -> str:
    """The schema's text with the lines that it lacks."""
    text = schema.text
    for one in sorted(lacks(schema), key=lambda lack: -lack.after.end):
        line = text[text.rfind("\n", 0, one.after.start) + 1 : one.after.start]
        indent = line[: len(line) - len(line.lstrip())] + "  "
        text = f"{text[: one.after.end]}\n{indent}{one.line}{text[one.after.end :]}"
    return text


def _braces(found: Sequence[Token], kind: str) -> Iterator[Token]:
    """Where the attributes of an entity type begin."""
    for at, token in enumerate(found):
        if token.text != "entity":
            continue
        head = next((n for n in range(at, len(found)) if found[n].text in "{;"), None)
        names = found[at + 1 : head]
        end = next((n for n, word in enumerate(names) if word.text in ("in", "=")), len(names))
        if head is not None and found[head].text == "{" and kind in (n.text for n in names[:end]):
            yield found[head]
