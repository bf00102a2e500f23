"""What a benchmark says: figures, and targets that are met or not. Pure data."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any

import msgspec

from benchmarks.machine import Machine

#: Digits that a printed figure has: more would be noise.
DIGITS = 5


@dataclass(frozen=True)
class Target:
    """One promise: what was measured, what it may be, and whether it is."""

    what: str
    value: float | bool
    bound: float | bool
    met: bool


def at_most(what: str, value: float, bound: float) -> Target:
    """Met where `value` is not above `bound`."""
    return Target(f"{what}, at most", value, bound, value <= bound)


def at_least(what: str, value: float, bound: float) -> Target:
    """Met where `value` is not below `bound`."""
    return Target(f"{what}, at least", value, bound, value >= bound)


def holds(what: str, value: bool) -> Target:
    """Met where `value` is true."""
    return Target(what, value, True, value)


@dataclass(frozen=True)
class Findings:
    """What measuring gave: `scale` says how much was run, `figures` what was found.

    Both hold JSON values and dataclasses of them.
    """

    scale: dict[str, Any]
    figures: dict[str, Any]
    targets: list[Target] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """One benchmark's answer, as it is printed and kept."""

    name: str
    commit: str | None
    machine: Machine
    scale: dict[str, Any]
    figures: dict[str, Any]
    targets: list[Target]

    @property
    def met(self) -> bool:
        """Whether every target is met."""
        return all(target.met for target in self.targets)

    def json(self, indent: int = 0) -> bytes:
        """The report as one JSON object; a figure that is not a finite number is null."""
        encoded = msgspec.json.encode(_plain(self))
        return msgspec.json.format(encoded, indent=indent) if indent else encoded

    @classmethod
    def read(cls, json: bytes) -> Report:
        """The inverse of `json`. Raises msgspec.ValidationError where a field is missing."""
        return msgspec.json.decode(json, type=cls)


def _plain(value: Any) -> Any:
    """JSON values only, numbers with `DIGITS` significant digits."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return significant(value) if isinstance(value, float) else value


def significant(value: float) -> float | None:
    """`value` with `DIGITS` significant digits; None where it is not finite."""
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
