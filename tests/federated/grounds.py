"""A governed strategy on a scripted grid, and all that it tells: what several tests share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from flwr.app import Message

from fedsight.federated import codec
from fedsight.federated.fleet import NodeView
from fedsight.federated.governance import Governance
from fedsight.federated.governed import Governed
from fedsight.federated.plan import RoundPlan
from fedsight.federated.rounds.buffered import BufferedEngine
from fedsight.federated.rounds.engine import Engine as Rounds
from fedsight.federated.rounds.muster import Muster
from fedsight.federated.rounds.scripted import ScriptedGrid
from fedsight.federated.wrapping import Checked
from fedsight.policy import Engine, RuleSet
from fedsight.policy.overseer import Overseer
from fedsight.policy.trust import Change, TrustBook
from fedsight.signals import Sample
from tests.federated.rounds.script import Mean, Said, add_id
from tests.policy.asked import NOON

FACTS: Mapping[str, Any] = {"capabilities": ("torch",), "cpu_count": 4, "memory_mb": 8000}
MODEL = codec.pack(np.zeros(1, np.float32))


def grid(count: int, answer: Callable[[Message], Message] = add_id) -> ScriptedGrid:
    nodes = [NodeView(at, f"client-{at}", at, "warm") for at in range(1, count + 1)]
    return ScriptedGrid(nodes, answer)


class Ground:
    """A strategy that is governed by a policy set, and all that it told."""

    def __init__(
        self, taken: RuleSet, rounds: int = 10, rule: RoundPlan | None = None, **more: Any
    ) -> None:
        self.engine = Engine(taken, observe=more.pop("observe", False))
        self.trust, self.said, self.changes = TrustBook(), Said(), list[Change]()
        self.figures = list[Sample]()
        self.mean = Mean()
        self.governance = Governance(
            Overseer(lambda: self.engine, more.pop("trail", None)),
            self.trust,
            "r-1",
            rounds,
            facts=more.pop("facts", lambda _: FACTS),
            say=self.said,
            on_trust=self.changes.extend,
            on_figures=self.figures.extend,
            now=lambda: NOON,
            **more,
        )
        self.rule = rule or RoundPlan()
        self.strategy = Governed(Checked(self.mean), self.governance)

    def run(self, on: ScriptedGrid, rounds: int, evaluate: Any = None) -> float:
        """Run so many rounds; the model that came of them."""
        kind = BufferedEngine if self.rule.mode == "async" else Rounds
        muster = Muster(on, self.rule.silent_seconds, self.said)
        loop = kind(
            on,
            self.rule,
            checked=lambda answer: self.strategy.check(answer),
            refused=lambda: self.strategy.refused,
            say=self.said,
            muster=muster,
        )
        self.strategy = Governed(Checked(self.mean), self.governance, answers=loop)
        inside = self.strategy.evaluating(evaluate)
        result = loop.run(self.strategy, MODEL, rounds=rounds, evaluate=inside)
        assert result.arrays is not None
        return float(codec.unpack(result.arrays)[0])

    def kinds(self) -> list[str]:
        """The kinds of events that were told."""
        return [kind for kind, *_ in self.said.events]
