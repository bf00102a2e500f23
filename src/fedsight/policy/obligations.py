"""Obligations: bounds that a permit sets for parameters of a run, with an owner and a priority."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from msgspec import Struct

Bound = Literal["<=", ">="]

_WRITTEN = re.compile(r"\s*([a-z_]+)\s*(<=|>=)\s*([0-9][0-9_]*(?:\.[0-9]+)?)\s*")


class Parameter(NamedTuple):
    """What policy may bound: from which side, and the least and most that a bound may be."""

    bound: Bound
    least: float
    most: float
    whole: bool


#: Everything that an obligation may speak of.
PARAMETERS: Mapping[str, Parameter] = {
    "max_rounds": Parameter("<=", 1, 1_000_000, True),
    "min_clients": Parameter(">=", 1, 1_000_000, True),
    "fraction": Parameter("<=", 0.000_001, 1, False),
    "clip_norm": Parameter("<=", 0.000_001, 1e12, False),
}


class Obligation(Struct, frozen=True):
    """One bound: `parameter` is to be at most (`<=`) or at least (`>=`) `value`.

    `owner` says whose it is, `rule` which rule set it. Of two for one parameter the one of higher
    priority holds, of equals the stricter.
    """

    parameter: str
    bound: Bound
    value: float
    owner: str
    priority: int
    rule: str

    def __str__(self) -> str:
        return f"{self.parameter} {self.bound} {self.value:g} ({self.owner}, rule {self.rule})"

    def holds(self, value: float) -> bool:
        """Whether a value keeps to it; what is no number does not."""
        if not math.isfinite(value):
            return False
        return value <= self.value if self.bound == "<=" else value >= self.value

    def kept(self, value: float) -> float:
        """The value, moved within the bound where it is beyond."""
        return min(value, self.value) if self.bound == "<=" else max(value, self.value)


#: Where a permit binds a run: actions with the types of who is asked about and what, and what of it
#: holds there.
BINDING: Mapping[tuple[str, str, str], frozenset[str]] = {
    **{
        (action, who, "Run"): frozenset(PARAMETERS)
        for action in ("startRun", "nextRound")
        for who in ("Server", "Operator")
    },
    ("shareModel", "Client", "Model"): frozenset({"clip_norm"}),
}


def parsed(written: str, owner: str, priority: str, rule: str) -> tuple[Obligation, ...]:
    """The obligations of an annotation such as `"max_rounds <= 50; min_clients >= 3"`.

    Raises ValueError, saying what is allowed, where one is none.
    """
    if not owner:
        raise ValueError("an obligation needs an @owner: who answers for its bound")
    if not re.fullmatch(r"-?[0-9]{1,6}", priority):
        raise ValueError(f"@priority must be a whole number, got {priority!r}")
    return tuple(_one(part, owner, int(priority), rule) for part in written.split(";"))


def _one(part: str, owner: str, priority: int, rule: str) -> Obligation:
    found = _WRITTEN.fullmatch(part)
    if found is None or found[1] not in PARAMETERS:
        allowed = ", ".join(f"{name} {one.bound} NUMBER" for name, one in PARAMETERS.items())
        raise ValueError(f"@obliges says {part.strip()!r}; allowed are {allowed}")
    name, bound, value = found[1], found[2], float(found[3].replace("_", ""))
    known = PARAMETERS[name]
    if bound != known.bound:
        raise ValueError(f"{name} is bounded by {known.bound}, not by {bound}")
    if not known.least <= value <= known.most or (known.whole and value != int(value)):
        what = "a whole number" if known.whole else "a number"
        raise ValueError(
            f"{name} must be {what} from {known.least:g} to {known.most:g}, got {found[3]}"
        )
    return Obligation(name, known.bound, value, owner, priority, rule)


def settled(obligations: Iterable[Obligation]) -> tuple[Obligation, ...]:
    """What holds of several: for each parameter the one of highest priority, then the stricter."""
    holding: dict[str, Obligation] = {}
    for one in sorted(obligations, key=_rank):
        holding.setdefault(one.parameter, one)
    return tuple(holding.values())


def _rank(one: Obligation) -> tuple[int, float, str]:
    strictness = one.value if one.bound == "<=" else -one.value
    return -one.priority, strictness, one.rule
