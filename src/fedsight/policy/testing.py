"""Policy tests as data: `*.test.toml` beside the rules, each a request and what is expected of it.

[[test]]
name = "a client whose trust fell is refused"
action = "train"
allowed = false
rules = ["client.trust-too-low"]
principal = { type = "Client", id = "a", attributes = { trust = 0.1 } }
"""

from __future__ import annotations

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

#: When a test asks that does not say when: a Thursday, at noon.
DEFAULT_TIME = datetime(2026, 1, 1, 12, tzinfo=UTC)


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
    """What came of one test; `wrong` says how the decision differs from what was expected."""

    file: str
    name: str
    decision: Decision
    wrong: str | None


def run(engine: Engine, files: Mapping[str, str]) -> list[Tested]:
    """Run every test of the set's files. Raises PolicyError where a test file is none."""
    return [
        Tested(file, one.name, decision, _difference(one, decision))
        for file, one in _tests(files)
        for decision in (engine.decide(_request(one)),)
    ]


def _tests(files: Mapping[str, str]) -> Iterator[tuple[str, _Test]]:
    for file in sorted(name for name in files if name.endswith(TESTS)):
        try:
            found = msgspec.convert(tomllib.loads(files[file]), _File)
        except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
            raise PolicyError([Fault(file, None, str(error))]) from error
        yield from ((file, one) for one in found.test)


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
