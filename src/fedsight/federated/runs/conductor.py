"""A run's rounds from its plan: the strategy as it is stacked, and the loop that drives it."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import replace
from typing import Protocol

from flwr.app import ArrayRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from fedsight.errors import FedsightError, UsageError
from fedsight.federated import algorithms, codec
from fedsight.federated.flat import FlatModel, Vector
from fedsight.federated.fleet import Fleet, NodeView
from fedsight.federated.governance import Govern
from fedsight.federated.governed import Governed
from fedsight.federated.node.personal import Tuning
from fedsight.federated.observation import RoundRecord
from fedsight.federated.observed import Observed
from fedsight.federated.plan import ASYNC, DEPLOYMENT, Plan, RoundPlan
from fedsight.federated.rounds.buffered import BufferedEngine
from fedsight.federated.rounds.control import Control, Progressing
from fedsight.federated.rounds.engine import Engine, unsaid
from fedsight.federated.rounds.muster import Muster, Say
from fedsight.federated.rounds.watchdog import listed
from fedsight.federated.runs.personal import Personal, answered, asked
from fedsight.federated.runs.state import GOVERNANCE, State, Stateful, joined, part
from fedsight.federated.scrutiny import Scrutiny
from fedsight.federated.selection import Choice, Selected, eligible, selector
from fedsight.federated.server import held_out_evaluation
from fedsight.federated.validation import ValidatedOnNodes, checked_figures
from fedsight.federated.wrapping import Checked
from fedsight.tasks import Task, Validated

#: What a round over a network may take where the plan does not say.
DEPLOYED_SECONDS = 300.0

ALGORITHM, SELECTION, ROUNDS, SCRUTINY = "algorithm", "selection", "rounds", "scrutiny"


class Stage(Protocol):
    """Where a run takes place: its model, and the nodes on their grid."""

    plan: Plan
    task: Task
    model: FlatModel

    @property
    def engine(self) -> str:
        """Which engine it is: one of `plan.ENGINES`."""

    @property
    def grid(self) -> Grid:
        """What reaches the nodes."""

    @property
    def names(self) -> list[str]:
        """The names of the nodes known so far."""

    @property
    def local(self) -> str:
        """How nodes train: `plan.LOCAL`."""

    def name(self, node_id: int) -> str:
        """What people call that node."""

    def doubts(self) -> list[str]:
        """What is to be said of how nodes train, since this was last asked."""


class Conductor:
    """Runs the rounds of one plan on one stage.

    `on_record` is given each round as it ends, `on_choice` each choice of nodes, and `after` the
    new global model, outside the round's time. With `govern` policy decides whether the run and its
    rounds begin, who trains, and which updates count. Raises UsageError where the plan's algorithm
    or selection cannot be had.
    """

    def __init__(
        self,
        stage: Stage,
        run_id: str,
        *,
        on_record: Callable[[RoundRecord], None],
        on_choice: Callable[[int, Choice], None] = lambda *_: None,
        after: Callable[[int, Vector], None] = lambda *_: None,
        say: Say = unsaid,
        control: Control | None = None,
        progress: Progressing | None = None,
        muster: Muster | None = None,
        least: int = 0,
        govern: Govern | None = None,
    ) -> None:
        plan = self._plan = stage.plan
        self._wanted = 0
        self._strategy: Checked | Governed
        self._stage = stage
        asynchronous = plan.closing.mode == ASYNC
        self.engine = (BufferedEngine if asynchronous else Engine)(
            stage.grid,
            _rule(plan),
            control=control,
            progress=progress,
            muster=muster,
            say=say,
            name=stage.name,
            least=least,
            after=_unpacked(after),
            wanted=lambda: self._wanted,
            lasting=False,  # the journal has them
            checked=lambda answer: self._strategy.check(answer),
            refused=self._refused,
        )
        self._algorithm = algorithms.strategy(plan.algorithm, nodes=plan.nodes, name=stage.name)
        self._selector = selector(
            plan.selection, plan.fraction, plan.seed, plan.closing.over_select
        )
        self._scrutiny = Scrutiny() if plan.scrutiny.scrutiny else None
        self._on_record = on_record
        self._on_choice = on_choice
        self._lasting = muster is None
        self._muster = muster
        self._strategy = self._stacked(run_id, govern)

    def _stacked(self, run_id: str, govern: Govern | None) -> Checked | Governed:
        """The algorithm, with all that stands around it."""
        task = self._stage.task
        figures = checked_figures(task.figures) if isinstance(task, Validated) else ()
        strategy: Strategy = Selected(self._algorithm, self._selector, self._chosen)
        if isinstance(task, Validated):
            strategy = ValidatedOnNodes(strategy, figures, self._validators)
        observed = Observed(
            strategy,
            run_id,
            self._note,
            name=self._stage.name,
            lost=lambda: self.engine.exchanges.lost,
            answered_only=self._plan.closing.mode == ASYNC,
            scrutiny=self._scrutiny,
            figures=figures,
        )
        checked = Checked(observed, self._unwanted)
        if govern is None:
            return checked
        return Governed(checked, govern(self._suspected), answers=self.engine)

    def _refused(self) -> Set[int]:
        return self._strategy.refused if isinstance(self._strategy, Governed) else frozenset()

    def _chosen(self, round: int, choice: Choice) -> None:
        self._wanted = choice.wanted
        self._on_choice(round, choice)
        if not choice.nodes and self._lasting and not self.engine.busy:
            why = listed(tuple(dict.fromkeys(choice.reasons.values())), most=3)
            raise FedsightError(f"no node may train: {why or 'none has the names in `only`'}")

    def _validators(self) -> list[int]:
        """The nodes that are there, may train, and are not busy with something else."""
        if self._muster is not None:
            nodes = self._muster.nodes()
        elif isinstance(self._stage.grid, Fleet):
            nodes = self._stage.grid.nodes()
        else:
            nodes = [NodeView(one, str(one)) for one in self._stage.grid.get_node_ids()]
        able, busy = eligible(self._plan.selection, nodes)[0], self.engine.busy
        free = [node for node in able if node.node_id not in busy]
        if isinstance(self._strategy, Governed):
            return self._strategy.may_evaluate(free)
        return [node.node_id for node in free]

    def _suspected(self, name: str) -> bool:
        """Whether the updates of a node, by its name, are suspected."""
        known = None if self._scrutiny is None else self._scrutiny.suspicion(name)
        return known is not None and known.suspected

    def _unwanted(self, node_id: int) -> str | None:
        """Why no update of that node is wanted, where the plan leaves suspects out."""
        if self._scrutiny is None or not self._plan.scrutiny.exclude_suspects:
            return None
        known = self._scrutiny.suspicion(self._stage.name(node_id))
        if known is None or not known.suspected:
            return None
        return f"its updates are suspected: score {known.score:.2f} in {known.rounds} rounds"

    def _note(self, record: RoundRecord) -> None:
        self._selector.note(record)
        self._on_record(record)

    def run(self, model: Vector | None = None, first: int = 1) -> Vector:
        """Train from `model` (None: the initial one), from round `first` on, to the plan's last.

        Returns the final global model. Raises what `rounds.Engine.run` does.
        """
        start = self._stage.model.vector() if model is None else model
        evaluate = held_out_evaluation(self._stage.task, self._stage.model)
        self.engine.run(
            self._strategy,
            codec.pack(start),
            rounds=self._plan.rounds,
            first=first,
            evaluate=self._strategy.evaluating(evaluate),
        )
        return self.model

    def personalise(self, vector: Vector, tuning: Tuning) -> Personal:
        """Let the nodes that are there tune the model `vector`, each for itself."""
        if not isinstance(self._stage.task, Validated):
            raise UsageError("nodes keep models of their own only of tasks validated on nodes")
        replies = self.engine.ask(lambda: asked(vector, tuning, self._validators()), "tuning")
        lost = {self._stage.name(node): why for node, why in self.engine.exchanges.lost.items()}
        return answered(replies, tuning, self._stage.task.figures, self._stage.name, lost)

    @property
    def model(self) -> Vector:
        """The global model as far as the run has come."""
        arrays = self.engine.result.arrays
        return codec.unpack(arrays) if arrays else self._stage.model.vector()

    def state(self) -> State:
        """All that the next round depends on beyond the model and the plan."""
        parts: dict[str, Stateful] = {SELECTION: self._selector, ROUNDS: self.engine}
        if isinstance(self._algorithm, Stateful):
            parts[ALGORITHM] = self._algorithm
        if self._scrutiny is not None:
            parts[SCRUTINY] = self._scrutiny
        if isinstance(self._strategy, Governed):
            parts[GOVERNANCE] = self._strategy
        return joined({name: one.state() for name, one in parts.items()})

    def load(self, state: State) -> None:
        """See `Stateful`."""
        self._selector.load(part(state, SELECTION))
        self.engine.load(part(state, ROUNDS))
        if isinstance(self._algorithm, Stateful):
            self._algorithm.load(part(state, ALGORITHM))
        if self._scrutiny is not None:
            self._scrutiny.load(part(state, SCRUTINY))
        if isinstance(self._strategy, Governed):
            self._strategy.load(part(state, GOVERNANCE))


def _rule(plan: Plan) -> RoundPlan:
    """The plan's rules; over a network no round waits without a bound."""
    if plan.engine != DEPLOYMENT or plan.closing.timeout_seconds is not None:
        return plan.closing
    return replace(plan.closing, timeout_seconds=DEPLOYED_SECONDS)


def _unpacked(after: Callable[[int, Vector], None]) -> Callable[[int, ArrayRecord], None]:
    return lambda round, arrays: after(round, codec.unpack(arrays))
