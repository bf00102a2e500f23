"""Nodes and rounds made by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fedsight.federated.fleet import NodeView
from fedsight.federated.observation import NodeRound, RoundRecord


def node(at: int, **told: Any) -> NodeView:
    """Node `client-AT`, whose id is 1000 and AT; what is told are its properties."""
    return NodeView(1000 + at, f"client-{at}", at, "simulated", properties=told)


def fleet(count: int, away: Iterable[int] = ()) -> list[NodeView]:
    """`count` nodes in order, those in `away` offline."""
    gone = set(away)
    return [
        NodeView(1000 + at, f"client-{at}", at, "simulated", online=at not in gone)
        for at in range(count)
    ]


def record(round_: int, figures: Mapping[int, Mapping[str, Any]]) -> RoundRecord:
    """A finished round of these nodes; one without figures did not reply."""
    nodes = [
        NodeRound(f"client-{at}", **({"status": "trained"} | dict(told) if told else {}))
        for at, told in figures.items()
    ]
    return RoundRecord("r-1", round_, 0, 1, nodes)


def asked(round_: int, node_ids: Iterable[int]) -> RoundRecord:
    """A round in which each of these nodes trained and measured its number as its loss."""
    return record(
        round_,
        {
            node_id - 1000: {"samples": 10, "train_loss": float(node_id - 1000), "train_seconds": 1}
            for node_id in node_ids
        },
    )
