"""A tree of conditions as Cedar's text. What cannot be said holds where a rule denies, and does not
where one allows: what comes out is never looser than what was written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from fedsight.policy.flopy.conditions import Atom, Group, Node, Unknown

TRUE, FALSE = "true", "false"
_LARGEST = 2**63 - 1
_MOST_DECIMAL = 922_337_203_685_477
_SIGNS = {
    "=": "==",
    "eq": "==",
    "equals": "==",
    "ne": "!=",
    "neq": "!=",
    "not_equals": "!=",
    "gt": ">",
    "greater_than": ">",
    "gte": ">=",
    "ge": ">=",
    "greater_than_or_equal": ">=",
    "lt": "<",
    "less_than": "<",
    "lte": "<=",
    "le": "<=",
    "less_than_or_equal": "<=",
    "not in": "not_in",
    "has": "contains",
}
_DECIMAL = {
    "<": "lessThan",
    "<=": "lessThanOrEqual",
    ">": "greaterThan",
    ">=": "greaterThanOrEqual",
}


class Field(NamedTuple):
    """What a name of theirs is with us; a whole number is `scale` times theirs."""

    path: str
    kind: str
    optional: bool = False
    scale: int = 1


_TRUST, _SAMPLES = Field("principal.trust", "decimal"), Field("principal.samples", "whole", True)
_HOUR = Field("context.minute", "hour")
_ANY = {"current_hour": _HOUR, "hour": _HOUR}
_CLIENT = {
    **dict.fromkeys(
        ("client_trust_score", "trust_score", "trust", "client_reputation", "reputation"), _TRUST
    ),
    **dict.fromkeys(("samples", "data_samples", "dataset_size"), _SAMPLES),
    "client_id": Field("principal", "name"),
    "capabilities": Field("principal.capabilities", "set"),
    "cpu_count": Field("principal.cpu_count", "whole"),
    "cpu_cores": Field("principal.cpu_count", "whole"),
    "memory_mb": Field("principal.memory_mb", "whole"),
    "memory_gb": Field("principal.memory_mb", "whole", scale=1024),
    "epsilon_spent": Field("principal.epsilon_spent", "decimal", True),
    **_ANY,
}
_MODEL = {
    "size_bytes": Field("resource.size_bytes", "whole"),
    "model_size_mb": Field("resource.size_bytes", "whole", scale=2**20),
    "norm": Field("resource.norm", "decimal", True),
    "update_norm": Field("resource.norm", "decimal", True),
}
_RUN = {
    "round": Field("resource.round", "whole"),
    "current_round": Field("resource.round", "whole"),
    "server_round": Field("resource.round", "whole"),
    "total_rounds": Field("resource.rounds", "whole"),
    "clients": Field("resource.clients", "whole"),
    "available_clients": Field("resource.clients", "whole"),
    **_ANY,
}
#: What can be asked about each action.
FIELDS: Mapping[str, Mapping[str, Field]] = {
    **dict.fromkeys(("participate", "train", "evaluate"), _CLIENT),
    "shareModel": {**_CLIENT, **_MODEL},
    **dict.fromkeys(("startRun", "nextRound"), _RUN),
}


def quoted(text: str) -> str:
    """A text as Cedar writes it: nothing in it can end it."""
    plain = (
        one if one.isascii() and one.isprintable() and one not in '"\\' else None for one in text
    )
    return (
        '"'
        + "".join(
            f"\\u{{{ord(one):x}}}" if same is None else one
            for one, same in zip(text, plain, strict=True)
        )
        + '"'
    )


class Writer:
    """Writes the conditions of one rule; `missed` gathers what could not be said."""

    def __init__(self, action: str, *, denies: bool) -> None:
        self._fields = FIELDS[action]
        self._action = action
        self._denies = denies
        self.missed: list[str] = []

    def text(self, node: Node) -> str:
        """Cedar's text, or `true` or `false`."""
        if isinstance(node, Atom):
            try:
                return self._atom(node)
            except ValueError as error:
                return self._miss(str(error))
        if isinstance(node, Unknown):
            return self._miss(node.why)
        return self._group(node)

    def _miss(self, why: str) -> str:
        self.missed.append(why)
        return TRUE if self._denies else FALSE

    def _group(self, node: Group) -> str:
        word: str = node.word
        if word == "both":
            self.missed.append("AND and OR are mixed without brackets: both readings are taken")
            word = "or" if self._denies else "and"
        ends, drops = (FALSE, TRUE) if word == "and" else (TRUE, FALSE)
        parts = [self.text(one) for one in node.parts]
        if ends in parts:
            return ends
        left = [one for one in dict.fromkeys(parts) if one != drops]
        if len(left) < 2:
            return left[0] if left else drops
        return "(" + (" && " if word == "and" else " || ").join(left) + ")"

    def _atom(self, atom: Atom) -> str:
        name = atom.field.rsplit(".", 1)[-1] if atom.field.startswith("client.") else atom.field
        found = self._fields.get(name)
        if found is None:
            raise ValueError(f"{atom.field!r} is not known of {self._action}")
        text = self._compared(found, _SIGNS.get(atom.operator, atom.operator), atom)
        if not found.optional:
            return text
        owner, _, attribute = found.path.partition(".")
        missing = TRUE if self._denies else FALSE
        return f"(if {owner} has {attribute} then {text} else {missing})"

    def _compared(self, field: Field, sign: str, atom: Atom) -> str:
        if sign in ("in", "not_in"):
            values = atom.value
            if field.kind == "set" or not isinstance(values, list) or not values:
                raise ValueError(f"{atom.field} {sign} needs a list of values")
            each, word = ("==", " || ") if sign == "in" else ("!=", " && ")
            parts = [self._one(field, each, one, atom.field) for one in values]
            return f"({word.join(parts)})"
        return self._one(field, sign, atom.value, atom.field)

    def _one(self, field: Field, sign: str, value: Any, name: str) -> str:
        written = _KINDS[field.kind](field, sign, value)
        if written is None:
            raise ValueError(f"{name} {sign} {str(value)[:60]!r} cannot be said")
        return written


def _name(field: Field, sign: str, value: Any) -> str | None:
    if sign not in ("==", "!=") or not isinstance(value, str) or not value:
        return None
    return f"{field.path} {sign} FL::Client::{quoted(value)}"


def _set(field: Field, sign: str, value: Any) -> str | None:
    texts = value if isinstance(value, list) else [value]
    if sign not in ("contains", "contains_all") or not texts:
        return None
    if not all(isinstance(one, str) for one in texts):
        return None
    return f"{field.path}.containsAll([{', '.join(quoted(one) for one in texts)}])"


def _decimal(field: Field, sign: str, value: Any) -> str | None:
    if not _is_number(value) or abs(value) >= _MOST_DECIMAL:
        return None
    exact = Decimal(str(value))
    if exact != round(exact, 4):
        return None
    number = f'decimal("{exact:.4f}")'
    if sign in ("==", "!="):
        return f"{field.path} {sign} {number}"
    return f"{field.path}.{_DECIMAL[sign]}({number})" if sign in _DECIMAL else None


def _whole(field: Field, sign: str, value: Any) -> str | None:
    if not _is_number(value):
        return None
    exact = Decimal(str(value)) * field.scale
    if abs(exact) > _LARGEST:
        return None
    if sign in ("==", "!=") and exact == int(exact):
        return f"{field.path} {sign} {int(exact)}"
    if sign in (">=", "<"):
        return f"{field.path} {sign} {math.ceil(exact)}"
    return f"{field.path} {sign} {math.floor(exact)}" if sign in (">", "<=") else None


def _hour(field: Field, sign: str, value: Any) -> str | None:
    if type(value) is not int or not 0 <= value <= 24:
        return None
    first, last = value * 60, value * 60 + 59
    if sign == "==":
        return f"({field.path} >= {first} && {field.path} <= {last})"
    if sign == "!=":
        return f"({field.path} < {first} || {field.path} > {last})"
    if sign in (">=", "<"):
        return f"{field.path} {sign} {first}"
    return f"{field.path} {sign} {last}" if sign in (">", "<=") else None


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


_KINDS: Mapping[str, Callable[[Field, str, Any], str | None]] = {
    "name": _name,
    "set": _set,
    "decimal": _decimal,
    "whole": _whole,
    "hour": _hour,
}
