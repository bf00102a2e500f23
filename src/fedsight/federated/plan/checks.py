"""What a plan's fields may be; each raises UsageError naming the field, its value, what may be."""

from __future__ import annotations

import difflib
import math
import operator
from collections.abc import Callable, Sequence

from fedsight.errors import UsageError


def whole(name: str, value: int, least: int, most: int) -> None:
    """A whole number in a range, both ends in it."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise UsageError(f"{name} must be a whole number from {least} to {most}, got {value}")


def number(
    name: str,
    value: float,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
) -> None:
    """A finite number within what bounds are given."""
    bounds: list[tuple[str, float | None, Callable[[float, float], bool]]] = [
        ("above", above, operator.gt),
        ("at least", least, operator.ge),
        ("below", below, operator.lt),
        ("at most", most, operator.le),
    ]
    given = [(word, bound, holds) for word, bound, holds in bounds if bound is not None]
    ok = isinstance(value, int | float) and math.isfinite(value)
    if not ok or not all(holds(value, bound) for _, bound, holds in given):
        limits = " and ".join(f"{word} {bound:g}" for word, bound, _ in given)
        raise UsageError(f"{name} must be a number {limits}".rstrip() + f", got {value}")


def one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    """One of the names there are."""
    if value not in allowed:
        near = difflib.get_close_matches(str(value), allowed, n=1)
        guess = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"{name} must be one of {', '.join(allowed)}, got {value!r}{guess}")
