"""Policy tests as data: `*.test.toml` beside the rules, each a request and what is expected of it.

[[test]]
name = "a client whose trust fell is refused"
action = "train"
allowed = false
rules = ["client.trust-too-low"]
principal = { type = "Client", id = "a", attributes = { trust = 0.1 } }
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec import Struct

from fedsight.policy.decision import Decision
from fedsight.policy.engine import Engine
from fedsight.policy.faults import Fault, PolicyError
from fedsight.policy.request import Party, Ref, Request
from fedsight.policy.ruleset import TESTS
from fedsight.policy.text import Place, place

#: When a test asks that does not say when: a Thursday, at noon.
DEFAULT_TIME = datetime(2026, 1, 1, 12, tzinfo=UTC)
_LINE = re.compile(r"\(at line (\d+), column (\d+)\)")
_END = "(at end of document)"
_TABLE = re.compile(r"^\s*\[\[\s*test\s*\]\]", re.MULTILINE)
_WHICH = re.compile(r"`\$\.test\[(\d+)\]")


class _Party(Struct, forbid_unknown_fields=True):
    type: str
    id: str
    attributes: dict[str, Any] = msgspec.field(default_factory=dict)
    roles: list[str] = msgspec.field(default_factory=list)


class _Test(Struct, forbid_unknown_fields=True):
    name: str
    action: str
    allowed: bool
    principal: _Party
    resource: _Party | None = None
    rules: list[str] | None = None
    error: str | None = None
    time: datetime | None = None
    context: dict[str, Any] = msgspec.field(default_factory=dict)


class _File(Struct, forbid_unknown_fields=True):
    test: list[_Test] = msgspec.field(default_factory=list)


@dataclass(frozen=True)
class Tested:
    """What came of one test; `wrong` says how the decision differs from what was `expected`.

    `line` is where the test begins in its file, None where that is not known.
    """

    file: str
    name: str
    decision: Decision
    wrong: str | None
    expected: str = ""
    line: int | None = None


def run(engine: Engine, files: Mapping[str, str]) -> list[Tested]:
    """Run every test of the set's files. Raises PolicyError where a test file is none."""
    return [
        Tested(file, one.name, decision, _difference(one, decision), _expected(one), line)
        for file, one, line in _tests(files)
        for decision in (engine.decide(_request(one)),)
    ]


def _tests(files: Mapping[str, str]) -> Iterator[tuple[str, _Test, int | None]]:
    for file in sorted(name for name in files if name.endswith(TESTS)):
        try:
            found = msgspec.convert(tomllib.loads(files[file]), _File)
        except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
            raise PolicyError([_fault(file, files[file], error)]) from error
        lines = _lines(files[file])
        known = len(lines) == len(found.test)
        yield from ((file, one, lines[at] if known else None) for at, one in enumerate(found.test))


def _lines(text: str) -> list[int]:
    """The lines at which tests begin."""
    return [text[: one.end()].count("\n") + 1 for one in _TABLE.finditer(text)]


def _fault(file: str, text: str, error: Exception) -> Fault:
    """What is wrong with a test file: at its place, or at the head of the test that it is of."""
    said = str(error)
    at, which, lines = _LINE.search(said), _WHICH.search(said), _lines(text)
    if at is not None:
        return Fault(file, Place(int(at[1]), int(at[2])), _LINE.sub("", said).strip())
    if _END in said:
        return Fault(file, place(text, len(text)), said.replace(_END, "").strip())
    if which is not None and int(which[1]) < len(lines):
        return Fault(file, Place(lines[int(which[1])], 1), said)
    return Fault(file, None, said)


def _expected(one: _Test) -> str:
    """What a test expects, in words."""
    told = ["allowed" if one.allowed else "refused"]
    if one.rules is not None:
        told.append(f"by {', '.join(one.rules) or 'no rule'}")
    if one.error is not None:
        told.append(f"with the error {one.error!r}")
    return " ".join(told)


def _request(one: _Test) -> Request:
    resource = None if one.resource is None else _party(one.resource)
    when = one.time or DEFAULT_TIME
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    time = int(aware.timestamp()) * 10**9
    return Request(_party(one.principal), one.action, time, resource, one.context)


def _party(one: _Party) -> Party:
    roles = tuple(Ref("Role", role) for role in one.roles)
    return Party(one.type, one.id, one.attributes, roles)


def _difference(one: _Test, decision: Decision) -> str | None:
    if decision.allowed is not one.allowed:
        said = "allowed" if decision.allowed else "refused"
        return f"{said}: {decision.reason}"
    if one.rules is not None and {rule.id for rule in decision.rules} != set(one.rules):
        return f"decided by {', '.join(rule.id for rule in decision.rules) or 'no rule'}"
    if one.error is not None and not any(one.error in error for error in decision.errors):
        return f"errors are {'; '.join(decision.errors) or 'none'}"
    return None
