"""The schema of a policy set: which attributes an entity has, and what kind of value each is.

Cedar judges whether entities fit it; what is read here says *what* does not fit, and which
attributes are decimals.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import cedarpy

from fedsight.policy.faults import PolicyError, located, schema_complaint
from fedsight.policy.text import Token, tokens

#: Every type and action of ours lives in it.
NAMESPACE = "FL"

#: Types of attributes whose values are judged without Cedar; see `entities.misfit`.
PLAIN = frozenset({"Long", "Bool", "String", "decimal", "Set<String>", "Set<Long>"})

_EXTENSIONS = {"decimal", "datetime", "duration", "ipaddr"}


@dataclass(frozen=True)
class Attribute:
    """One attribute of an entity type; `type` as it is written."""

    type: str
    required: bool


@dataclass(frozen=True)
class Schema:
    """A schema as text, as Cedar's handle, and what was read of it.

    `decimals` are the names of attributes that are decimals somewhere; `extensions` those of any of
    Cedar's extension types: a text is never taken for one. `groups` has for each action the groups
    that it is in, itself among them.
    """

    text: str
    handle: cedarpy.Schema
    entities: Mapping[str, Mapping[str, Attribute]]
    decimals: frozenset[str]
    extensions: frozenset[str]
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @cached_property
    def plain(self) -> frozenset[str]:
        """Entity types all of whose attributes are of plain types or are entities."""
        plain = PLAIN | set(self.entities)
        return frozenset(
            name
            for name, attributes in self.entities.items()
            if all(one.type in plain for one in attributes.values())
        )

    @classmethod
    def read(cls, file: str, text: str) -> Schema:
        """Read a schema. Raises PolicyError with line and column where it is none."""
        found = tokens(text)
        fault = located(file, text, found, schema_complaint) if found else None
        if fault is not None:
            raise PolicyError([fault])
        handle = cedarpy.Schema.from_str(text)
        typed = list(_typed(found))
        aliases = _aliases(found)
        extensions = {name for name, kind in typed if kind in _EXTENSIONS | set(aliases)}
        decimals = {name for name, kind in typed if aliases.get(kind, kind) == "decimal"}
        return cls(
            text,
            handle,
            _entities(found),
            frozenset(decimals),
            frozenset(extensions),
            _groups(handle),
        )


def _typed(found: Sequence[Token]) -> list[tuple[str, str]]:
    """Every `name: type` and `name?: type`."""
    pairs = []
    for at, token in enumerate(found[:-1]):
        if token.text == ":" and at > 0:
            name = found[at - 2] if found[at - 1].text == "?" and at > 1 else found[at - 1]
            kind = found[at + 1].text
            if kind == "Set" and at + 3 < len(found):
                kind = found[at + 3].text
            pairs.append((name.text.strip('"'), kind))
    return pairs


def _aliases(found: Sequence[Token]) -> dict[str, str]:
    """Names that stand for one of Cedar's extension types: `type Share = decimal;`."""
    named: dict[str, str] = {}
    for at, token in enumerate(found[:-3]):
        if token.text == "type" and found[at + 2].text == "=" and found[at + 4 : at + 5]:
            kind = named.get(found[at + 3].text, found[at + 3].text)
            if kind in _EXTENSIONS and found[at + 4].text == ";":
                named[found[at + 1].text] = kind
    return named


def _entities(found: Sequence[Token]) -> dict[str, dict[str, Attribute]]:
    """The attributes of each entity type; what is nested in one is part of its type's text."""
    entities: dict[str, dict[str, Attribute]] = {}
    at = 0
    while at < len(found):
        if found[at].text != "entity":
            at += 1
            continue
        names, at = _names(found, at + 1)
        attributes, at = _attributes(found, at)
        entities |= dict.fromkeys(names, attributes)
    return entities


def _names(found: Sequence[Token], at: int) -> tuple[list[str], int]:
    names = [found[at].text]
    while found[at + 1].text == ",":
        at += 2
        names.append(found[at].text)
    return names, at + 1


def _attributes(found: Sequence[Token], at: int) -> tuple[dict[str, Attribute], int]:
    """The record of an entity declaration that goes on at `at`, to its `;`."""
    attributes: dict[str, Attribute] = {}
    depth, name, required, kind = 0, "", True, list[str]()

    def close() -> None:
        if name:
            attributes[name] = Attribute("".join(kind), required)

    while found[at].text != ";":
        word = found[at].text
        if word in "}>]":
            depth -= 1
        if depth == 1 and word in ",:":
            if word == ":":
                required, kind = found[at - 1].text != "?", []
                name = found[at - (1 if required else 2)].text.strip('"')
            else:
                close()
                name = ""
        elif depth >= 1 and name and word != "?":
            kind.append(word)
        if word in "{<[":
            depth += 1
        at += 1
    close()
    return attributes, at


def _groups(handle: cedarpy.Schema) -> dict[str, frozenset[str]]:
    actions = json.loads(str(cedarpy.Entities.from_json_str("[]", handle)))
    return {
        one["uid"]["id"]: frozenset({one["uid"]["id"], *(up["id"] for up in one["parents"])})
        for one in actions
        if one["uid"]["type"] == f"{NAMESPACE}::Action"
    }
