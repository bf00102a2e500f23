"""Who trains in a round, and why: what a selection answers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from fedsight.signals import Json

#: The event that tells of a choice.
NODES_SELECTED = "NODES_SELECTED"

#: Beyond so many nodes an event names the first ones and counts the reasons of all.
MOST_NAMED = 100

#: What a reason says of its one node: all after a colon, or the number it ends with.
_OF_ONE_NODE = re.compile(r":.*| -?[\d.]\S*( s)?$", re.DOTALL)


class Limit(NamedTuple):
    """How many may be chosen at the most, and by whose word."""

    most: int
    why: str


@dataclass(frozen=True)
class Choice:
    """The chosen nodes in the fleet's order.

    `reasons` has each of them and, where a rule left a node out for what it is, that node too.
    `absent` are names that were asked for and that no node has. `wanted` is how many answers are
    enough where more nodes were chosen than that; 0: all.
    """

    nodes: tuple[int, ...] = ()
    reasons: Mapping[int, str] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    wanted: int = 0


def details(choice: Choice, name: Callable[[int], str]) -> dict[str, Json]:
    """A choice as the details of a `NODES_SELECTED` event; `name` says what people call a node."""
    chosen = set(choice.nodes)
    out = [node_id for node_id in choice.reasons if node_id not in chosen]
    found = _told("chosen", choice.nodes, choice.reasons, name)
    found |= _told("left_out", out, choice.reasons, name)
    return found | ({"absent": list(choice.absent[:MOST_NAMED])} if choice.absent else {})


def _told(
    key: str, nodes: Iterable[int], reasons: Mapping[int, str], name: Callable[[int], str]
) -> dict[str, Json]:
    listed = list(nodes)
    named: Json = {name(node_id): reasons[node_id] for node_id in listed[:MOST_NAMED]}
    if len(listed) <= MOST_NAMED:
        return {key: named}
    counts = Counter(_OF_ONE_NODE.sub("", reasons[node_id]) for node_id in listed)
    return {key: named, f"{key}_counts": dict(counts)}
