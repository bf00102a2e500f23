"""Who may be chosen at all: nodes that are there, that are asked for, and that reach the floors.

These conditions hold under every rule, so that none of them is set and then ignored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from fedsight.federated.fleet import NodeView
from fedsight.federated.plan.selection import SelectionPlan, listed

#: Says why a node may not be chosen, or None where it may.
Objection = Callable[[NodeView], str | None]

#: Floors of the plan, and the property that must reach each.
FLOORS: Mapping[str, str] = {
    "min_cpu": "cpu_count",
    "min_memory_gb": "memory_gb",
    "min_bandwidth_mbps": "bandwidth_mbps",
}

#: A node's own words are cut to this length in a reason.
_MOST_LETTERS = 40


def eligible(
    plan: SelectionPlan, nodes: Sequence[NodeView]
) -> tuple[list[NodeView], dict[int, str]]:
    """Those who may be chosen, in order, and why the others may not, by id."""
    checks = objections(plan)
    able = [node for node in nodes if node.online]
    reasons = dict[int, str]()
    if len(able) < len(nodes):
        reasons = {node.node_id: _gone(node) for node in nodes if not node.online}
    if not checks:
        return able, reasons
    passed = []
    for node in able:
        reason = next((said for check in checks if (said := check(node)) is not None), None)
        if reason is None:
            passed.append(node)
        else:
            reasons[node.node_id] = reason
    return passed, reasons


def absent(plan: SelectionPlan, nodes: Sequence[NodeView]) -> tuple[str, ...]:
    """Names and ids in `only` that no node has, online or not."""
    if not plan.only:
        return ()
    known = {node.name for node in nodes} | {str(node.node_id) for node in nodes}
    return tuple(word for word in listed(plan.only) if word not in known)


def objections(plan: SelectionPlan) -> list[Objection]:
    """The plan's conditions, those that are set."""
    floors = [
        _below(name, least, told)
        for name, told in FLOORS.items()
        if (least := float(getattr(plan, name))) > 0
    ]
    tags = [_lacks(tag) for tag in listed(plan.tags)]
    where = [_differs(*text.split("=", 1)) for text in listed(plan.where)]
    return ([_unnamed(plan.only)] if plan.only else []) + tags + where + floors


def _gone(node: NodeView) -> str:
    if node.away is not None:
        return node.away
    seen = node.last_seen_seconds
    return "not there" if seen is None else f"not there: last seen {seen:.0f} s ago"


def _unnamed(only: str) -> Objection:
    names = frozenset(listed(only))

    def check(node: NodeView) -> str | None:
        return None if node.name in names or str(node.node_id) in names else "not in only"

    return check


def _lacks(tag: str) -> Objection:
    return lambda node: None if tag in node.tags else f"lacks tag {tag}"


def _differs(key: str, value: str) -> Objection:
    key, value = key.strip(), value.strip()

    def check(node: NodeView) -> str | None:
        has = node.properties.get(key)
        if has is None:
            return f"not {key}={value}: did not tell"
        return None if _same(has, value) else f"not {key}={value}: {str(has)[:_MOST_LETTERS]}"

    return check


def _same(has: bool | float | int | str, value: str) -> bool:
    """Whether a property is what was written: `true`, `4` and `4.0` mean what they say."""
    if isinstance(has, bool):
        return str(has).lower() == value.lower()
    if isinstance(has, str):
        return has == value
    try:
        return float(value) == has
    except ValueError:
        return False


def _below(name: str, least: float, told: str) -> Objection:
    def check(node: NodeView) -> str | None:
        has = node.properties.get(told)
        number = isinstance(has, int | float) and not isinstance(has, bool) and math.isfinite(has)
        if not number:
            return f"below {name} {least:g}: did not tell {told}"
        assert isinstance(has, int | float)
        return None if has >= least else f"below {name} {least:g}: has {has:g}"

    return check
