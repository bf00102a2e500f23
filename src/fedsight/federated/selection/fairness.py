"""The fairness floor: every node that can be chosen trains at least once in m rounds."""

from __future__ import annotations

from collections.abc import Sequence

from fedsight.federated.fleet import NodeView
from fedsight.federated.selection.history import History


def due(
    nodes: Sequence[NodeView], history: History, round_: int, rounds: int, places: int
) -> tuple[int, dict[int, str]]:
    """How many places the round needs for the promise, and who has one already, with reasons.

    A node that was last asked in round l must be asked by round l + `rounds`; it has that less
    `round_` rounds of slack. Of the nodes in the order of slack, the first i must fit into the
    s + 1 rounds that the i-th has left: that many places a round are needed, `places` at least.
    Those that would not fit into the later s of these rounds are due now. So nobody is forced in
    before it must be, and where `places` times `rounds` are as many as there are nodes, places do
    not grow. A node that comes back after longer than `rounds` is due at once.
    """
    waiting = sorted(nodes, key=lambda node: history[node.name].last)
    slack = [max(0, history[node.name].last + rounds - round_) for node in waiting]
    needed = max(-(-at // (left + 1)) for at, left in enumerate(slack, 1))
    places = max(places, needed)
    forced = max(0, *(at - places * left for at, left in enumerate(slack, 1)))
    return places, {
        node.node_id: _reason(round_ - history[node.name].last - 1) for node in waiting[:forced]
    }


def _reason(missed: int) -> str:
    if missed <= 0:
        return "due"
    return f"due: not in the last {missed} rounds" if missed > 1 else "due: not in the last round"
