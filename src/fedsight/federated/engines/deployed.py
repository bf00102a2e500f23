"""The deployment engine: nodes in processes of their own, behind a SuperLink."""

from __future__ import annotations

from contextlib import suppress

from flwr.serverapp import Grid

from fedsight.federated.engines.simulated import initial_model
from fedsight.federated.fleet import RoundLostError
from fedsight.federated.plan import DEPLOYMENT, LOOP, Plan
from fedsight.federated.rounds.muster import Muster
from fedsight.tasks import Task


class Deployment:
    """The parts of a deployed run: the grid that reaches its nodes, and who of them is there."""

    engine = DEPLOYMENT
    local = LOOP

    def __init__(self, plan: Plan, task: Task, grid: Grid, muster: Muster) -> None:
        self.plan = plan
        self.task = task
        self.model = initial_model(plan, task)
        self.grid = grid
        self.muster = muster
        self._names: dict[int, str] = {}

    @property
    def names(self) -> list[str]:
        """The nodes that are known so far."""
        with suppress(RoundLostError):  # the first round meets it again
            self._names |= {node.node_id: node.name for node in self.muster.nodes()}
        return list(self._names.values())

    def name(self, node_id: int) -> str:
        """What people call that node."""
        if node_id not in self._names:
            self._names |= {node.node_id: node.name for node in self.muster.nodes()}
        return self._names.get(node_id, str(node_id))

    def doubts(self) -> list[str]:
        """Nothing: nodes train as the plan asks, or say so in their answers."""
        return []
