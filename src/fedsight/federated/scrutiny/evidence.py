"""What is known of each node over the rounds: an attacker is one in every round.

The evidence against a node is the mean of its rounds' scores, recent ones counting more, with one
round of no evidence added. So one odd round names nobody, a node that is always a little unlike the
others is not named either (its mean stays what it is, however many rounds come), and one that is
unlike them in every round is named after two or three.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, cast

from fedsight.federated.runs.state import State
from fedsight.federated.scrutiny.outliers import Look

#: A round counts so much less with each that follows it: about ten rounds are remembered.
FORGETTING = 0.9
#: Rounds of no evidence that are added to each node's own.
PRIOR = 1.0
#: A node is suspected from here on, and cleared below the second figure.
SUSPECTED, CLEARED = 2.5, 1.75
#: Nodes that are remembered; beyond, those not seen for longest are forgotten.
MOST_NODES = 100_000


class Suspicion(NamedTuple):
    """The evidence against one node: `score` is compared with `threshold`.

    `changed` in the round in which the node became suspected, or was cleared.
    """

    score: float
    rounds: int
    suspected: bool
    changed: bool = False
    threshold: float = SUSPECTED


@dataclass(slots=True)
class _Weighed:
    """Scores and their weights, both decayed; how many there were, and what they came to."""

    total: float = 0.0
    weight: float = 0.0
    rounds: int = 0
    suspected: bool = False


class Evidence:
    """Gathers the scores of a run's nodes by name, of the last `most`. `Stateful`."""

    def __init__(self, most: int = MOST_NODES) -> None:
        self._most = most
        self._nodes: dict[str, _Weighed] = {}

    def add(self, node: str, look: Look) -> Suspicion | None:
        """Take in a round's look at a node; None where nothing is known of it."""
        if look.score is None:
            return self.of(node)
        known = self._nodes.pop(node, None) or _Weighed()
        self._nodes[node] = known  # the last in line to be forgotten
        if len(self._nodes) > self._most:
            del self._nodes[next(iter(self._nodes))]
        known.total = known.total * FORGETTING + look.score
        known.weight = known.weight * FORGETTING + 1
        known.rounds += 1
        score = known.total / (known.weight + PRIOR)
        before = known.suspected
        known.suspected = score >= (CLEARED if before else SUSPECTED)
        return Suspicion(score, known.rounds, known.suspected, known.suspected != before)

    def of(self, node: str) -> Suspicion | None:
        """What is known of a node so far."""
        known = self._nodes.get(node)
        if known is None:
            return None
        score = known.total / (known.weight + PRIOR)
        return Suspicion(score, known.rounds, known.suspected)

    def suspects(self) -> Iterable[str]:
        """The nodes that are suspected now."""
        return [node for node, known in self._nodes.items() if known.suspected]

    def state(self) -> State:
        """See `runs.state.Stateful`."""
        rows = {
            node: [known.total, known.weight, known.rounds, known.suspected]
            for node, known in self._nodes.items()
        }
        return State({"nodes": rows})

    def load(self, state: State) -> None:
        """See `runs.state.Stateful`; a state of an older run, which has none, is empty."""
        rows = cast("Mapping[str, list[float]]", state.facts.get("nodes", {}))
        self._nodes = {
            node: _Weighed(float(total), float(weight), int(rounds), bool(suspected))
            for node, (total, weight, rounds, suspected) in rows.items()
        }
