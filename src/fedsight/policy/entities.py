"""Requests as Cedar's JSON: what is no plain number, text, list or reference is refused here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from fedsight.policy.federation import Federation
from fedsight.policy.request import Party, Ref
from fedsight.policy.schema import NAMESPACE, Schema

CLIENT, OPERATOR, SERVER, FEDERATION = "Client", "Operator", "Server", "Federation"
#: Things of a federation; they get their attribute `federation` and their membership here.
_THINGS = frozenset({"Run", "Model", "Node"})
#: Unix nanoseconds of the year 2200: what a clock that jumped says beyond is not judged.
_LATEST = 7_258_118_400_000_000_000
MINUTE_NS = 60_000_000_000
_MOST_ITEMS = 10_000
#: What a set may hold: nothing, texts, or whole numbers.
_ALIKE: tuple[set[type], ...] = (set(), {str}, {int})
#: Cedar's decimals are 64 bits wide, with four digits after the point.
_LARGEST_DECIMAL = 922_337_203_685_477.0

_encode = msgspec.json.Encoder(order="sorted").encode


def uid(type_: str, id_: str) -> dict[str, str]:
    """An entity's name as Cedar's JSON has it."""
    return {"type": f"{NAMESPACE}::{type_}", "id": id_}


def encoded(entity: Mapping[str, Any]) -> bytes:
    """Canonical bytes: equal entities, equal bytes."""
    return _encode(entity)


class Entities:
    """Makes Cedar's entities of the parties of requests, for one policy set. Raises ValueError."""

    def __init__(self, schema: Schema, federation: Federation) -> None:
        self._schema = schema
        self._federation = federation
        self._home = uid(FEDERATION, federation.name)
        self._decimals = schema.decimals
        self._extensions = schema.extensions
        self._minute: tuple[int, dict[str, int]] = (-1, {})

    def federation(self) -> dict[str, Any]:
        """The federation's own entity: its limits."""
        attributes = self._attributes(self._federation.limits)
        return {"uid": self._home, "attrs": attributes, "parents": []}

    def of(self, party: Party) -> dict[str, Any]:
        """The entity of a party, with the memberships that the policy set gives it."""
        attributes = self._attributes(party.attributes)
        kind = party.type
        parents: list[dict[str, str]] = []
        if kind == OPERATOR:
            parents = [uid(one.type, one.id) for one in party.groups]
        elif kind == CLIENT:
            parents = [self._home] if self._federation.has(party.id) else []
        elif kind == SERVER:
            parents = [self._home]
        elif kind in _THINGS:
            parents = [self._home]
            if "federation" in self._schema.entities.get(kind, {}):
                attributes["federation"] = {"__entity": self._home}
        return {"uid": uid(kind, party.id), "attrs": attributes, "parents": parents}

    def context(self, time: int, more: Mapping[str, Any]) -> dict[str, Any]:
        """The moment in the federation's time zone, and what else a schema wants."""
        if not 0 <= time <= _LATEST:
            raise ValueError(f"time {time} is not between 1970 and 2200")
        minute = time // MINUTE_NS
        if minute != self._minute[0]:
            there = datetime.fromtimestamp(minute * 60, self._federation.zone)
            moment = {"minute": there.hour * 60 + there.minute, "weekday": there.isoweekday()}
            self._minute = (minute, moment)
        moment = self._minute[1]
        if not more:
            return moment
        return {**self._attributes(more), **moment}

    def _attributes(self, given: Mapping[str, Any]) -> dict[str, Any]:
        decimals, extensions = self._decimals, self._extensions
        return {
            name: value
            if type(value) is int and name not in decimals
            else _value(name, value, name in decimals, name in extensions)
            for name, value in given.items()
        }


def _value(name: str, value: Any, decimal: bool, extension: bool) -> Any:
    """One attribute's value. A text never becomes a number, however it reads."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        if decimal:
            if not math.isfinite(value):
                raise ValueError(f"attribute {name} must be a finite number, got {value}")
            return {"__extn": {"fn": "decimal", "arg": f"{value:.4f}"}}
        if isinstance(value, float):
            raise ValueError(f"attribute {name} must be a whole number, got {value!r}")
        return value
    if isinstance(value, str):
        if extension:
            raise ValueError(f"attribute {name} must be a number, got the text {value[:40]!r}")
        return value
    if isinstance(value, list | tuple) and len(value) <= _MOST_ITEMS:
        if {type(one) for one in value} in _ALIKE:
            return sorted(set(value))
    elif isinstance(value, Ref):
        return {"__entity": uid(value.type, value.id)}
    raise ValueError(
        f"attribute {name} is of no kind that a rule can judge: {type(value).__name__}"
    )


def misfit(schema: Schema, entity: Mapping[str, Any]) -> str | None:
    """What of an entity does not fit the schema; None where nothing does not, as far as its
    attributes are of plain types (`Schema.plain`)."""
    kind = entity["uid"]["type"].removeprefix(f"{NAMESPACE}::")
    known, given = schema.entities.get(kind), entity["attrs"]
    if known is None:
        return f"unknown type {kind}; known are {', '.join(sorted(schema.entities))}"
    named = f"{kind} {entity['uid']['id']!r}"
    if len(given) < len(known):
        missing = [name for name, one in known.items() if one.required and name not in given]
        if missing:
            return f"{named} lacks {', '.join(missing)}"
    wrong = []
    for name, value in given.items():
        one = known.get(name)
        if one is None:
            return f"{named} has {name}, which the schema lacks"
        if not _fits(one.type, value):
            wrong.append(f"{name} must be a {one.type}, got {_shown(value)}")
    return f"{named}: {'; '.join(wrong)}" if wrong else None


def _fits(kind: str, value: Any) -> bool:
    """Whether a value is of one of Cedar's plain types, or of an entity type; others are left to
    Cedar."""
    match kind:
        case "Long":
            return type(value) is int and -(2**63) <= value < 2**63
        case "Bool":
            return isinstance(value, bool)
        case "String":
            return isinstance(value, str)
        case "decimal":
            return isinstance(value, dict) and "__extn" in value and _in_range(value)
        case "Set<String>":
            return isinstance(value, list) and all(isinstance(one, str) for one in value)
        case "Set<Long>":
            return isinstance(value, list) and all(_fits("Long", one) for one in value)
        case _ if isinstance(value, dict) and "__entity" in value:
            return bool(value["__entity"]["type"] == f"{NAMESPACE}::{kind}")
    return "<" in kind or "{" in kind or "::" in kind


def _in_range(value: Mapping[str, Any]) -> bool:
    return abs(float(value["__extn"]["arg"])) < _LARGEST_DECIMAL


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("__extn", {}).get("arg", "an entity"))
    return repr(value)[:60]
