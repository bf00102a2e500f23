"""The simulation engine: nodes in this process that take turns on one flat model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from torch import Tensor

from fedsight.errors import UsageError
from fedsight.federated.engines import cohort_fit
from fedsight.federated.engines.cohort import UNFIT_ERRORS, Cohort
from fedsight.federated.engines.local_grid import LocalGrid, sites
from fedsight.federated.flat import FlatModel, Vector
from fedsight.federated.node.client import LocalTrainer, Trainer, client_app, stream
from fedsight.federated.node.place import Place
from fedsight.federated.observation import RoundRecord
from fedsight.federated.plan import COHORT, LOOP, SIMULATION, Plan
from fedsight.federated.runs.conductor import Conductor
from fedsight.tasks import Placed, Recipe, Task

_INITIAL_WEIGHTS = 0


class Simulation:
    """The parts of a simulated run: nodes that share one flat model, and the grid they are on.

    In `kept` each node has a folder for models of its own.
    Raises UsageError where the plan wants more nodes a round than there are.
    """

    engine = SIMULATION

    def __init__(self, plan: Plan, task: Task, kept: Path | None = None) -> None:
        if plan.closing.min_clients > plan.nodes:
            raise UsageError(
                f"min_clients is {plan.closing.min_clients}, but a simulation of {plan.nodes}"
                " nodes never has more"
            )
        self.plan = plan
        self.task = task
        self.model = initial_model(plan, task)
        shared = initial_model(plan, task)
        sources = node_sources(plan, task)
        nodes = sites(list(sources) or plan.nodes, plan.config())
        trainers = {
            site.node_id: Trainer(
                task, plan, shared, at, _place(site.name, sources.get(site.name, ""), kept)
            )
            for at, site in enumerate(nodes)
        }
        for trainer in trainers.values():
            _load_data(trainer)
        self._cohort, self._doubts = _cohort(plan, task, shared, trainers)
        members: Mapping[int, LocalTrainer] = trainers
        if self._cohort is not None:
            members = {node_id: self._cohort.member(node_id) for node_id in trainers}
        app = client_app(
            lambda context: members[context.node_id], lambda context: trainers[context.node_id]
        )
        self.grid = LocalGrid(app, nodes, ahead=self._cohort)
        self.names = [site.name for site in nodes]

    @property
    def local(self) -> str:
        """How its nodes train: as the plan asks, or `loop` where nothing else is possible."""
        return LOOP if self._cohort is None else COHORT

    def name(self, node_id: int) -> str:
        """What people call that node."""
        return self.grid.name(node_id)

    def run(
        self,
        on_record: Callable[[RoundRecord], None],
        run_id: str,
        after: Callable[[int, Vector], None] = lambda *_: None,
    ) -> Vector:
        """Train to the end without a journal; returns the final global model as one vector."""
        return Conductor(self, run_id, on_record=on_record, after=after).run()

    def doubts(self) -> list[str]:
        """Why nodes do not train as the plan asks, or had better not; since this was last asked."""
        found, self._doubts = self._doubts, []
        return found if self._cohort is None else found + self._cohort.doubts()


def node_sources(plan: Plan, task: Task) -> dict[str, str]:
    """Where the plan's nodes find their data, by name, where they have data of their own.

    Empty where they have not. Raises UsageError where there is data of fewer nodes than the plan
    wants.
    """
    if not isinstance(task, Placed):
        return {}
    found = task.nodes(plan.data)
    if plan.nodes > len(found):
        raise UsageError(
            f"nodes is {plan.nodes}, but {plan.data} has data of {len(found)}: {', '.join(found)}"
        )
    return dict(list(found.items())[: plan.nodes])


def initial_model(plan: Plan, task: Task) -> FlatModel:
    """The model that a run starts from: the same for one task and seed on every engine."""
    return FlatModel(task.model(stream(plan.seed, _INITIAL_WEIGHTS) >> 1))


def named_tensors(model: FlatModel, vector: Vector) -> dict[str, Tensor]:
    """The tensors of the model that `vector` is, by their names in its state dict.

    They are views, valid until the model is loaded again.
    """
    model.load(vector)
    named = model.model.state_dict()
    return {name: one for name, one in named.items() if isinstance(one, Tensor)}


def _place(name: str, source: str, kept: Path | None) -> Place:
    return Place(name, source, None if kept is None else kept / name)


def _load_data(trainer: Trainer) -> None:
    """Before the first round, so that nobody's turn is measured with it.

    What a node's own code raises is told in the node's turn, and that node alone fails; a
    UsageError is the plan's fault and stops the run.
    """
    with suppress(*UNFIT_ERRORS):
        trainer.prepare()


def _cohort(
    plan: Plan, task: Task, model: FlatModel, trainers: Mapping[int, Trainer]
) -> tuple[Cohort | None, list[str]]:
    """What trains the nodes of a round together, if asked for, and what is to be said of it."""
    if plan.local != COHORT:
        return None, []
    recipe = Recipe(plan.epochs, plan.lr, plan.momentum, plan.batch_size)
    found = cohort_fit.needs_loop(plan.algorithm) or cohort_fit.cohort(
        task, model, recipe, trainers
    )
    if isinstance(found, str):
        return None, [f"nodes train one after the other, not as a cohort: {found}"]
    doubt = cohort_fit.doubt(model)
    return found, [doubt] if doubt else []
