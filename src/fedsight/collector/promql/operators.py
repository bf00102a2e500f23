"""Arithmetic, comparison and sets between scalars and vectors, at all times at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fedsight.collector.promql.aggregation import group_labels
from fedsight.collector.promql.errors import not_evaluated
from fedsight.collector.promql.values import (
    Flags,
    Floats,
    LabelKey,
    Labels,
    Scalar,
    Vector,
    anywhere,
    grouped,
    key,
    merged,
    stacked,
    unnamed,
    without_name,
)

Operation = Callable[[Any, Any], Any]

ARITHMETIC: dict[str, Operation] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
}
COMPARISON: dict[str, Operation] = {
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
}
SETS = frozenset({"and", "or", "unless"})


@dataclass(frozen=True, slots=True)
class Matching:
    """Which series of two vectors belong together: those that agree in `labels` (`on`), or in all
    others. `many` says which side may have several for one of the other, `include` are labels that
    the result takes from that one.
    """

    labels: tuple[str, ...] = ()
    on: bool = False
    many: str | None = None
    include: tuple[str, ...] = ()

    def signature(self, labels: Labels) -> LabelKey:
        """What two series that belong together have in common."""
        return key(group_labels(labels, self.labels, by=self.on))

    def result(self, many: Labels, one: Labels, *, named: bool) -> Labels:
        """The labels of what two series give."""
        kept = dict(many) if named else without_name(many)
        if self.many is None:
            chosen = self._chosen(kept)
            kept = {name: text for name, text in kept.items() if name in chosen}
        for name in self.include:
            kept.pop(name, None)
            if one.get(name):
                kept[name] = one[name]
        return kept

    def _chosen(self, kept: Labels) -> Collection[str]:
        return self.labels if self.on else set(kept) - set(self.labels)


def scalars(op: str, left: Scalar, right: Scalar) -> Scalar:
    """Two numbers at each time; a comparison gives 0 or 1."""
    operation = ARITHMETIC.get(op) or COMPARISON[op]
    return Scalar(operation(left.values, right.values).astype(np.float64))


def with_scalar(op: str, vector: Vector, scalar: Scalar, *, swapped: bool, boolean: bool) -> Vector:
    """A vector and a number; `swapped`: the number stands on the left."""
    given = (scalar.values, vector.values) if swapped else (vector.values, scalar.values)
    if op in ARITHMETIC:
        return unnamed(Vector(vector.labels, ARITHMETIC[op](*given), vector.present))
    holds = COMPARISON[op](*given)
    if boolean:
        return unnamed(Vector(vector.labels, holds.astype(np.float64), vector.present))
    rows = zip(vector.labels, vector.values, vector.present & holds, strict=True)
    return stacked(list(rows), vector.values.shape[1])


def vectors(op: str, left: Vector, right: Vector, matching: Matching, *, boolean: bool) -> Vector:
    """Two vectors, series by series."""
    many, one = (right, left) if matching.many == "right" else (left, right)
    times = left.values.shape[1]
    ones = grouped(matching.signature(each) for each in one.labels)
    # Where one side is empty Prometheus looks no further.
    both = anywhere(many.present) & anywhere(one.present)
    for places in ones.values():
        if ((one.present[places].sum(axis=0) > 1) & both).any():
            side = "left" if matching.many == "right" else "right"
            raise not_evaluated(
                f"found duplicate series for the match group on the {side} hand-side of the"
                " operation;many-to-many matching not allowed: matching labels must be unique on"
                " one side"
            )
    rows: list[tuple[Labels, Floats, Flags]] = []
    for signature, places in grouped(matching.signature(each) for each in many.labels).items():
        pairs = [(at, to) for at in places for to in ones.get(signature, [])]
        found = list(_pairs(op, many, one, pairs, matching, boolean=boolean))
        if matching.many is None and _twice(found):
            raise not_evaluated(
                "multiple matches for labels: many-to-one matching must be explicit"
                " (group_left/group_right)"
            )
        rows += found
    return merged(stacked(rows, times))


def _twice(rows: list[tuple[Labels, Floats, Flags]]) -> bool:
    return bool(rows) and int(np.sum([row[2] for row in rows], axis=0).max()) > 1


def _pairs(
    op: str,
    many: Vector,
    one: Vector,
    pairs: list[tuple[int, int]],
    matching: Matching,
    *,
    boolean: bool,
) -> Iterator[tuple[Labels, Floats, Flags]]:
    for at, to in pairs:
        both = many.present[at] & one.present[to]
        if not both.any():
            continue  # so many rows without a value would fill the memory
        given = many.values[at], one.values[to]
        left, right = given[::-1] if matching.many == "right" else given
        if op in ARITHMETIC:
            values = ARITHMETIC[op](left, right)
        else:
            holds = COMPARISON[op](left, right)
            values = holds.astype(np.float64) if boolean else left
            both = both if boolean else both & holds
        named = op in COMPARISON and not boolean
        yield matching.result(many.labels[at], one.labels[to], named=named), values, both


def sets(op: str, left: Vector, right: Vector, matching: Matching) -> Vector:
    """`and`, `or`, `unless`: series of the left, or of the right, as they are."""
    times = left.values.shape[1]
    there = _signatures(right, matching)
    nowhere = np.zeros(times, bool)
    rows = []
    for labels, values, present in zip(left.labels, left.values, left.present, strict=True):
        other = there.get(matching.signature(labels), nowhere)
        kept = {"and": present & other, "unless": present & ~other, "or": present}[op]
        rows.append((labels, values, kept))
    if op == "or":
        mine = _signatures(left, matching)
        for labels, values, present in zip(right.labels, right.values, right.present, strict=True):
            rows.append((labels, values, present & ~mine.get(matching.signature(labels), nowhere)))
    return merged(stacked(rows, times))


def _signatures(vector: Vector, matching: Matching) -> dict[LabelKey, Flags]:
    """At which times a vector has a series of each signature."""
    groups = grouped(matching.signature(each) for each in vector.labels)
    return {signature: anywhere(vector.present[places]) for signature, places in groups.items()}
