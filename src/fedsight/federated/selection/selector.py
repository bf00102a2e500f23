"""The selector of a run: its rule, its conditions, and what it remembers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fedsight.federated.fleet import NodeView
from fedsight.federated.observation import RoundRecord
from fedsight.federated.plan.selection import SelectionPlan
from fedsight.federated.runs.state import State
from fedsight.federated.selection.choice import Choice, Limit
from fedsight.federated.selection.draw import Choose, generator, places
from fedsight.federated.selection.eligibility import absent, eligible
from fedsight.federated.selection.fairness import due
from fedsight.federated.selection.history import History, met, noted, packed, unpacked
from fedsight.federated.selection.rules import REMEMBERING, RULES, Wanted

ALL = "all"


class Selector(Protocol):
    """Chooses who trains, round by round; a `Stateful` part of a run."""

    def choose(self, round: int, nodes: Sequence[NodeView], limit: Limit | None = None) -> Choice:
        """Who of `nodes`, in the fleet's order, trains in `round`. Asked twice, the same answer.

        No more than `limit` says, whatever else asks for more.
        """

    def note(self, record: RoundRecord) -> None:
        """A round has ended. Its nodes go by the names that `choose` saw."""

    def state(self) -> State:
        """See `Stateful`."""

    def load(self, state: State) -> None:
        """See `Stateful`."""


def selector(plan: SelectionPlan, fraction: float, seed: int, over_select: float = 0.0) -> Selector:
    """The selector that a plan asks for: `fraction` of those who may be chosen, by its rule."""
    return _Planned(plan, fraction, seed, over_select)


class _Planned:
    """What is chosen follows from the seed, the round, the nodes and the history alone."""

    def __init__(self, plan: SelectionPlan, fraction: float, seed: int, over_select: float) -> None:
        self._plan = plan
        self._fraction = fraction
        self._seed = seed
        self._over_select = over_select
        self._rule = RULES[plan.selection]
        self._remembers = plan.selection in REMEMBERING or plan.fair_rounds > 0
        self._history: History = {}

    def choose(self, round: int, nodes: Sequence[NodeView], limit: Limit | None = None) -> Choice:
        """See `Selector`."""
        able, left_out = eligible(self._plan, nodes)
        wanted = places(self._fraction, 0.0, len(able)) if self._over_select and able else 0
        most = len(able) if limit is None else min(limit.most, len(able))
        reasons, more = self._chosen(round, able, most) if able else ({}, False)
        if limit is not None and more:
            wanted = min(wanted, most)
            left_out |= {one.node_id: limit.why for one in able if one.node_id not in reasons}
        chosen = tuple([node.node_id for node in able if node.node_id in reasons])
        return Choice(chosen, reasons | left_out, absent(self._plan, nodes), wanted)

    def _chosen(
        self, round_: int, able: Sequence[NodeView], most: int
    ) -> tuple[dict[int, str], bool]:
        """As many of `able` as the plan asks for, `most` at the most, each with its reason; and
        whether it asks for more."""
        asked, reasons = places(self._fraction, self._over_select, len(able)), dict[int, str]()
        if self._plan.fair_rounds:
            self._history = met(self._history, round_, (node.name for node in able))
            asked, reasons = due(able, self._history, round_, self._plan.fair_rounds, asked)
            reasons = dict(list(reasons.items())[:most])  # who waited longest comes first
        asked, count = min(asked, len(able)), min(asked, most)
        if count >= len(able):
            return dict.fromkeys((node.node_id for node in able), ALL), False
        if count > len(reasons):
            rest = [node for node in able if node.node_id not in reasons] if reasons else able
            rng = generator(self._seed, round_)
            wanted = Wanted(round_, count - len(reasons), self._plan, self._history, rng)
            reasons = reasons | self._rule(wanted, rest)
        return reasons, asked > most

    def note(self, record: RoundRecord) -> None:
        """See `Selector`."""
        if self._remembers:
            self._history = noted(self._history, record)

    def state(self) -> State:
        """What is known of the nodes; nothing where the rule does not ask for it."""
        return packed(self._history) if self._remembers else State()

    def load(self, state: State) -> None:
        """Go on from there; from nothing where the run before did not remember."""
        if self._remembers:
            self._history = unpacked(state) if state.facts or state.arrays else {}


class Chosen:
    """A selector that is a function of the round and the nodes' ids, and remembers nothing."""

    def __init__(self, choose: Choose) -> None:
        self._choose = choose

    def choose(self, round: int, nodes: Sequence[NodeView], limit: Limit | None = None) -> Choice:
        """See `Selector`. Beyond the limit those chosen first stay."""
        found = tuple(self._choose(round, [node.node_id for node in nodes if node.online]))
        kept = found if limit is None else found[: limit.most]
        out = {} if limit is None else dict.fromkeys(found[limit.most :], limit.why)
        return Choice(kept, dict.fromkeys(kept, "chosen") | out)

    def note(self, record: RoundRecord) -> None:
        """Nothing to remember."""

    def state(self) -> State:
        """Nothing."""
        return State()

    def load(self, state: State) -> None:
        """Nothing."""
