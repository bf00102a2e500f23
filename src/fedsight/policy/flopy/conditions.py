"""Conditions as they are written in a rule file, as a tree. What is not understood stays in it.

A condition is a text (`"model_size_mb >= max_model_size AND (trust < 0.4 OR round > 5)"`), a table
with `field`, `operator` and `value`, a list of these, or a table that joins a list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

AND: Final = "and"
OR: Final = "or"
#: Names under which a condition says what joins it to its neighbour, or a table its list.
_JOINS = ("logic", "logical_operator", "connector", "join", "combinator")
_PARTS = ("conditions", "rules", "all", "any", AND, OR)
_LABELS = ("description", "name", "id")
_MOST_TEXT, _MOST_DEPTH = 4000, 30
_WORDS = {"and": AND, "&&": AND, "all": AND, "or": OR, "||": OR, "any": OR}
_TOKEN = re.compile(
    r"""\s*(?:
    (?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
  | (?P<number>-?[0-9]+(?:\.[0-9]+)?)(?![\w.])
  | (?P<word>[A-Za-z_][\w.]*)
  | (?P<sign>==|!=|<=|>=|&&|\|\||[<>=()])
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Atom:
    """One comparison."""

    field: str
    operator: str
    value: Any


@dataclass(frozen=True)
class Group:
    """Several parts, all or any of which must hold. `both`: two readings of one text; whoever
    carries it over takes the stricter."""

    word: Literal["and", "or", "both"]
    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Unknown:
    """What was not understood, and why."""

    why: str


Node = Atom | Group | Unknown


def condition(written: Any, parameters: Mapping[str, Any], depth: int = 0) -> Node:
    """The tree of a condition; never raises. Names on the right are those of `parameters`."""
    if depth > _MOST_DEPTH:
        return Unknown("it is nested too deeply")
    if isinstance(written, str):
        return _text(written, parameters)
    if isinstance(written, list):
        return _list(written, None, parameters, depth)
    if isinstance(written, dict):
        return _table(written, parameters, depth)
    return Unknown(f"a condition is a text, a table or a list, got {type(written).__name__}")


def chain(parts: Sequence[Node], words: Sequence[str]) -> Node:
    """Parts with the words between them. Where these are mixed without brackets it has two
    readings: AND before OR, and from left to right."""
    if len(parts) == 1:
        return parts[0]
    if len(set(words)) == 1:
        return Group(AND if words[0] == AND else OR, tuple(parts))
    groups: list[list[Node]] = [[parts[0]]]
    straight = parts[0]
    for word, part in zip(words, parts[1:], strict=True):
        if word == AND:
            groups[-1].append(part)
        else:
            groups.append([part])
        straight = Group(AND if word == AND else OR, (straight, part))
    joined = [Group(AND, tuple(each)) if len(each) > 1 else each[0] for each in groups]
    return Group("both", (Group(OR, tuple(joined)), straight))


def _list(
    written: Sequence[Any], word: str | None, parameters: Mapping[str, Any], depth: int
) -> Node:
    if not written:
        return Unknown("a list of conditions is empty")
    parts = tuple(condition(_bare(one), parameters, depth + 1) for one in written)
    said = [_join(one) for one in written]
    if "" in said:
        return Unknown("what joins two conditions is neither AND nor OR")
    if not any(said):
        return chain(parts, [word or AND] * (len(parts) - 1))
    # A word on each but the last follows its condition; on each but the first it goes before.
    between = said[:-1] if said[-1] is None else said[1:] if said[0] is None else said
    same = {one for one in between if one}
    if (
        None in between
        or (len(between) == len(parts) and len(same) > 1)
        or (word and {word} < same)
    ):
        return Unknown("it is not clear which conditions its ANDs and ORs join")
    return chain(parts, [one for one in between if one][: len(parts) - 1])


def _join(one: Any) -> str | None:
    """The word that a condition gives to its neighbour, None where none, "" where not known."""
    found = [one[key] for key in _JOINS if isinstance(one, dict) and "field" in one and key in one]
    if not found:
        return None
    return _WORDS.get(str(found[0]).lower(), "") if len(found) == 1 else ""


def _bare(one: Any) -> Any:
    if isinstance(one, dict) and "field" in one:
        return {key: value for key, value in one.items() if key not in _JOINS}
    return one


def _table(written: Mapping[str, Any], parameters: Mapping[str, Any], depth: int) -> Node:
    keys = {key for key in written if key not in _LABELS}
    if "field" in keys:
        if keys != {"field", "operator", "value"} or not (
            isinstance(written["field"], str) and isinstance(written["operator"], str)
        ):
            return Unknown(f"a condition has field, operator and value, got {_names(keys)}")
        return Atom(written["field"], written["operator"].strip().lower(), written["value"])
    parts = [key for key in keys if key.lower() in _PARTS]
    joins = [key for key in keys if key in (*_JOINS, "operator")]
    if len(parts) != 1 or len(joins) > 1 or len(parts) + len(joins) != len(keys):
        return Unknown(f"a table with {_names(keys)} is no condition")
    word = _WORDS.get(parts[0].lower())
    if joins:
        told = _WORDS.get(str(written[joins[0]]).lower())
        if told is None or word not in (None, told):
            return Unknown(f"{written[joins[0]]!r} is neither AND nor OR")
        word = told
    inner = written[parts[0]]
    if not isinstance(inner, list):
        return Unknown(f"{parts[0]} is a list")
    return _list(inner, word, parameters, depth)


def _names(keys: set[str]) -> str:
    return ", ".join(sorted(keys)) or "nothing"


def _text(written: str, parameters: Mapping[str, Any]) -> Node:
    if len(written) > _MOST_TEXT:
        return Unknown(f"it has more than {_MOST_TEXT} letters")
    found, at = list[tuple[str, str]](), 0
    while written[at:].strip():
        token = _TOKEN.match(written, at)
        if token is None or token.lastgroup is None:
            return Unknown(f"{written[at:].strip()[:20]!r} is not understood")
        found.append((token.lastgroup, token[token.lastgroup]))
        at = token.end()
    reader = _Reader(found, parameters)
    try:
        node = reader.chain(0)
    except ValueError as error:
        return Unknown(f"{written[:80]!r}: {error}")
    return (
        node if reader.at == len(found) else Unknown(f"{written[:80]!r}: it goes on after its end")
    )


class _Reader:
    """Reads the tokens of a text. Raises ValueError."""

    def __init__(self, tokens: Sequence[tuple[str, str]], parameters: Mapping[str, Any]) -> None:
        self._tokens = tokens
        self._parameters = parameters
        self.at = 0

    def _next(self) -> tuple[str, str]:
        if self.at == len(self._tokens):
            raise ValueError("it ends too early")
        self.at += 1
        return self._tokens[self.at - 1]

    def chain(self, depth: int) -> Node:
        if depth > _MOST_DEPTH:
            raise ValueError("it is nested too deeply")
        parts, words = [self._part(depth)], list[str]()
        while self.at < len(self._tokens):
            word = _WORDS.get(self._tokens[self.at][1].lower())
            if word is None:
                break
            self.at += 1
            words.append(word)
            parts.append(self._part(depth))
        return chain(parts, words)

    def _part(self, depth: int) -> Node:
        kind, text = self._next()
        if text == "(" and kind == "sign":
            inner = self.chain(depth + 1)
            if self._next()[1] != ")":
                raise ValueError("a bracket is not closed")
            return inner
        if kind != "word" or text.lower() in (*_WORDS, "not"):
            raise ValueError(f"{text!r} is no name of something to compare")
        sign, operator = self._next()
        if sign != "sign" or operator in ("(", ")", "&&", "||"):
            raise ValueError(f"{operator!r} is no comparison")
        return Atom(text, operator, self._value())

    def _value(self) -> Any:
        kind, text = self._next()
        if kind == "number":
            return float(text) if "." in text else int(text)
        if kind == "string":
            return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        if text not in self._parameters:
            raise ValueError(f"{text!r} is no number, text or parameter of the rule")
        return self._parameters[text]
