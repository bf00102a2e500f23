"""Requests and policy sets that the tests of this room ask with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedsight.policy import Engine, Party, Ref, Request, RuleSet, ruleset
from fedsight.policy.files import default_texts

#: Thursday, 26 November 2026, 12:00 UTC.
NOON = 1_795_694_400 * 10**9
HOUR = 3600 * 10**9

#: A client that the default set lets take part.
GOOD: Mapping[str, Any] = {
    "trust": 0.9,
    "samples": 500,
    "capabilities": ("gpu", "torch"),
    "cpu_count": 4,
    "memory_mb": 8000,
}


def client(name: str = "hospital-a", **changes: Any) -> Party:
    """A good client, but for what is changed; a change to None leaves the attribute out."""
    attributes = {**GOOD, **changes}
    return Party("Client", name, {key: one for key, one in attributes.items() if one is not None})


def asks(action: str = "train", party: Party | None = None, *, time: int = NOON) -> Request:
    """May a client do it?"""
    return Request(party or client(), action, time)


def shares(size: Any = 1000, *, party: Party | None = None, **more: Any) -> Request:
    """May a client share an update of that size?"""
    attributes = {"size_bytes": size, **more}
    update = Party("Model", "update", {k: v for k, v in attributes.items() if v is not None})
    return Request(party or client(), "shareModel", NOON, update)


def operator(*roles: str) -> Party:
    """An operator with these roles."""
    return Party("Operator", "anna", groups=tuple(Ref("Role", role) for role in roles))


def run(**changes: Any) -> Party:
    """A run in its third round of ten."""
    figures = {"round": 3, "rounds": 10, "clients": 5, "stale_rounds": 0, **changes}
    return Party("Run", "r-1", figures)


def changed(limits: Mapping[str, str] | None = None, **files: str) -> RuleSet:
    """The default set with other lines in its federation.toml, and other or more files."""
    texts = default_texts()
    lines = texts["federation.toml"].splitlines()
    for key, value in (limits or {}).items():
        kept = [line for line in lines if not line.startswith(f"{key} = ")]
        top = ("name", "members", "time_zone")
        lines = [f"{key} = {value}", *kept] if key in top else [*kept, f"{key} = {value}"]
    texts["federation.toml"] = "\n".join(lines)
    return ruleset({**texts, **{f"{name}.cedar": text for name, text in files.items()}})


def refusals(engine: Engine, request: Request) -> tuple[str, ...]:
    """The rules that refuse it; it is refused."""
    decision = engine.decide(request)
    assert not decision.allowed
    return decision.refused_by
