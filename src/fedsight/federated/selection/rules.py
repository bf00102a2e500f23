"""The rules by name: each chooses as many nodes as are wanted, and says why of each."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fedsight.federated.fleet import NodeView
from fedsight.federated.plan.selection import SelectionPlan
from fedsight.federated.selection import utility
from fedsight.federated.selection.draw import shared_out, weighted
from fedsight.federated.selection.history import History, Known

DRAWN = "drawn"
EXPLORED = "explored"

_UNKNOWN = Known()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a rule: `places` nodes for `round`, fewer than there are to choose from."""

    round: int
    places: int
    plan: SelectionPlan
    history: History
    rng: random.Random


#: Chooses: (what is wanted, who may be chosen, in order) -> reasons of the chosen by id.
Rule = Callable[[Wanted, Sequence[NodeView]], dict[int, str]]


def drawn(wanted: Wanted, nodes: Sequence[NodeView]) -> dict[int, str]:
    """Any node as likely as any other."""
    return _sample(nodes, wanted.places, wanted.rng, DRAWN)


def best(wanted: Wanted, nodes: Sequence[NodeView]) -> dict[int, str]:
    """Those of least loss, or most accuracy, in their last turn; the `explore` share is drawn from
    all others.

    A node without that figure, or whose last turn failed, is among the others. Where fewer are
    known than there are places, the rest is drawn too.
    """
    metric, known = wanted.plan.metric, list[tuple[float, NodeView]]()
    for node in nodes:
        one = wanted.history.get(node.name, _UNKNOWN)
        figure = one.loss if metric == "loss" else one.accuracy
        if figure is not None and not one.failing:
            known.append((figure, node))
    explored = shared_out(wanted.plan.explore, wanted.places, wanted.rng)
    known.sort(key=lambda pair: pair[0], reverse=metric == "accuracy")
    top = known[: wanted.places - explored]
    reasons = {node.node_id: f"best {metric} {figure:.3g}" for figure, node in top}
    others = [node for node in nodes if node.node_id not in reasons]
    return reasons | _sample(others, wanted.places - len(top), wanted.rng, EXPLORED)


def useful(wanted: Wanted, nodes: Sequence[NodeView]) -> dict[int, str]:
    """Oort: those of most use, by what they could still teach and how long they take; see
    `utility`.

    Nodes that have not trained yet, or failed in their last turn, share the explored places.
    """
    scores = utility.scores(nodes, wanted.history, wanted.round)
    known = [node for node in nodes if node.node_id in scores]
    unknown = [node for node in nodes if node.node_id not in scores]
    share = utility.explored_share(wanted.plan.explore, wanted.round)
    explored = min(len(unknown), shared_out(share, wanted.places, wanted.rng))
    count = min(len(known), wanted.places - explored)
    pool = utility.within_reach([scores[node.node_id] for node in known], count)
    weights = [scores[known[at].node_id] for at in pool]
    taken = [known[pool[at]].node_id for at in weighted(weights, count, wanted.rng)]
    reasons = {node_id: f"utility {scores[node_id]:.3g}" for node_id in taken}
    return reasons | _sample(unknown, wanted.places - count, wanted.rng, EXPLORED)


def _sample(
    nodes: Sequence[NodeView], count: int, rng: random.Random, reason: str
) -> dict[int, str]:
    return {nodes[at].node_id: reason for at in rng.sample(range(len(nodes)), count)}


#: `resources` and `named` draw among those whom the plan's conditions leave.
RULES: Mapping[str, Rule] = {
    "random": drawn,
    "resources": drawn,
    "named": drawn,
    "performance": best,
    "utility": useful,
}

#: Rules that read the history.
REMEMBERING = frozenset({"performance", "utility"})
