"""One whole run in this process: from a plan and a journal to a trained model."""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Literal, Protocol

import torch
from flwr.app import Context, RecordDict
from flwr.serverapp.strategy import Result
from torch import Tensor

from fedsight.errors import FedsightError, told
from fedsight.federated import codec, cohort_fit
from fedsight.federated.aggregation import FedAvg
from fedsight.federated.client import LocalTrainer, Trainer, client_app, stream
from fedsight.federated.cohort import UNFIT_ERRORS, Cohort
from fedsight.federated.flat import FlatModel, Vector
from fedsight.federated.kept import Kept, OnModel
from fedsight.federated.observation import SOURCE, RoundRecord, Translator
from fedsight.federated.observed import Observed
from fedsight.federated.plan import COHORT, LOOP, Plan
from fedsight.federated.selection import random_fraction
from fedsight.federated.server import server_app
from fedsight.federated.simulation import LocalGrid, sites
from fedsight.federated.versions import Metrics
from fedsight.federated.wrapping import Checked, Selected
from fedsight.signals import Batch, Event, Json
from fedsight.tasks import Recipe, Task, load

ENGINE = "simulation"
STRATEGY = "fedavg"

_INITIAL_WEIGHTS = 0


class Recorder(Protocol):
    """Where a run's signals go: a journal."""

    def append(self, batch: Batch) -> int:
        """Keep the batch; returns its sequence number once it is on disk."""


class ModelKeeper(Protocol):
    """Where every round's global model goes."""

    def keep(self, round: int, state: Mapping[str, Tensor], metrics: Metrics) -> None:
        """Keep the model after `round`: its state dict's tensors, valid during the call only.

        Raises FedsightError where it cannot be kept; the run has then failed.
        """


class Nowhere:
    """Keeps no model."""

    def keep(self, round: int, state: Mapping[str, Tensor], metrics: Metrics) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class RoundReport:
    """What is told of a round as it ends. `failures` are lines "client-3: what it said"."""

    round: int
    rounds: int
    seconds: float
    loss: float | None
    accuracy: float | None
    participants: int
    selected: int
    failures: tuple[str, ...]
    payload_bytes: int


@dataclass(frozen=True)
class Outcome:
    """How a run ended; `bytes_*` are model payload, `model_sha256` is of the final vector."""

    run_id: str
    state: Literal["finished", "failed", "interrupted"]
    reason: str | None
    rounds: int
    loss: float | None
    accuracy: float | None
    seconds: float
    bytes_up: int
    bytes_down: int
    model_sha256: str | None


def new_run_id() -> str:
    """A run id that no other run has: `r-` and eight hexadecimal digits."""
    return f"r-{secrets.token_hex(4)}"


def train(
    plan: Plan,
    journal: Recorder,
    *,
    run_id: str,
    on_round: Callable[[RoundReport], None] = lambda _: None,
    on_doubt: Callable[[str], None] = lambda _: None,
    models: ModelKeeper | None = None,
) -> Outcome:
    """Run `plan` over simulated nodes and journal it; returns how it ended.

    `on_doubt` is told, once each, why nodes do not train as `plan.local` asks.

    After each round, outside its measured time, `models` is given the global model.

    Ctrl-C ends the run as `interrupted`; a run without usable updates is `failed`. An error of
    the task's own code outside a node is journaled, then raised. Raises UsageError, before
    anything is journaled, where the task or its partition cannot be had.
    """
    torch.set_num_threads(1)  # faster for small models, and results do not depend on the machine
    logging.getLogger("flwr").setLevel(logging.ERROR)
    _warm_up()
    task = load(plan.task)
    simulation = Simulation(plan, task)
    return _Session(plan, journal, run_id, on_round, on_doubt, models or Nowhere()).run(simulation)


def _warm_up() -> None:
    """Let torch import its compiler, as a first optimiser does: over a second on the first client.

    Otherwise whoever trains first would be measured as the slowest node of round 1.
    """
    weight = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=1.0)
    optimizer.zero_grad()
    optimizer.step()


class Simulation:
    """The parts of a simulated run: nodes that share one flat model, and the grid they are on."""

    def __init__(self, plan: Plan, task: Task) -> None:
        self.plan = plan
        self.task = task
        seed = stream(plan.seed, _INITIAL_WEIGHTS) >> 1
        self.model = FlatModel(task.model(seed))
        shared = FlatModel(task.model(seed))
        nodes = sites(plan.nodes, plan.config())
        trainers = {site.node_id: Trainer(task, plan, shared, at) for at, site in enumerate(nodes)}
        for trainer in trainers.values():
            _load_data(trainer)
        self._cohort, self._doubts = _cohort(plan, task, shared, trainers)
        members: Mapping[int, LocalTrainer] = trainers
        if self._cohort is not None:
            members = {node_id: self._cohort.member(node_id) for node_id in trainers}
        app = client_app(lambda context: members[context.node_id])
        self.grid = LocalGrid(app, nodes, ahead=self._cohort)
        self.names = [site.name for site in nodes]

    @property
    def local(self) -> str:
        """How its nodes train: as the plan asks, or `loop` where nothing else is possible."""
        return LOOP if self._cohort is None else COHORT

    def doubts(self) -> list[str]:
        """Why nodes do not train as the plan asks, or had better not; since this was last asked."""
        found, self._doubts = self._doubts, []
        return found if self._cohort is None else found + self._cohort.doubts()

    def run(
        self,
        on_record: Callable[[RoundRecord], None],
        run_id: str,
        on_model: OnModel = lambda *_: None,
    ) -> Vector:
        """Train to the end; returns the final global model as one vector."""
        plan, found = self.plan, list[Result]()
        strategy = Checked(
            Observed(
                Selected(FedAvg(), random_fraction(plan.fraction, plan.seed)),
                run_id,
                on_record,
                name=self.grid.name,
            )
        )
        app = server_app(self.task, self.model, Kept(strategy, on_model), found.append)
        app(self.grid, Context(1, 1, {}, RecordDict(), plan.config()))
        return codec.unpack(found[0].arrays)

    def state(self, vector: Vector) -> dict[str, Tensor]:
        """The tensors of the model that `vector` is, by their names in its state dict.

        They are views, valid until the model is loaded again.
        """
        self.model.load(vector)
        named = self.model.model.state_dict()
        return {name: one for name, one in named.items() if isinstance(one, Tensor)}


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
    found = cohort_fit.cohort(task, model, recipe, trainers)
    if isinstance(found, str):
        return None, [f"nodes train one after the other, not as a cohort: {found}"]
    doubt = cohort_fit.doubt(model)
    return found, [doubt] if doubt else []


class _Session:
    """Journals one run from start to end, whatever the end is."""

    def __init__(
        self,
        plan: Plan,
        journal: Recorder,
        run_id: str,
        on_round: Callable[[RoundReport], None],
        on_doubt: Callable[[str], None],
        models: ModelKeeper,
    ) -> None:
        self._plan = plan
        self._journal = journal
        self._run_id = run_id
        self._on_round = on_round
        self._on_doubt = on_doubt
        self._models = models
        self._translator = Translator(run_id)
        self._last: RoundRecord | None = None
        self._bytes_up = self._bytes_down = 0
        self._started = time.perf_counter()

    def run(self, simulation: Simulation) -> Outcome:
        def note(record: RoundRecord) -> None:
            self._note(record)
            self._tell_doubts(simulation)

        def keep(round: int, vector: Vector) -> None:
            self._models.keep(round, simulation.state(vector), self._metrics())

        try:
            self._say("RUN_STARTED", self._opening(simulation))
            self._tell_doubts(simulation)
            vector = simulation.run(note, self._run_id, keep)
        except KeyboardInterrupt:
            return self._end("interrupted", "stopped by Ctrl-C", None)
        except FedsightError as error:
            return self._end("failed", self._with_failures(str(error)), None)
        except Exception as error:  # the task's own code: the journal learns why before we leave
            self._end("failed", told(error), None)
            raise FedsightError(f"the run failed: {told(error)}") from error
        return self._end("finished", None, vector)

    def _tell_doubts(self, simulation: Simulation) -> None:
        for message in simulation.doubts():
            used = {"asked": self._plan.local, "used": simulation.local}
            self._say("LOCAL_TRAINING", {**used, "message": message})
            self._on_doubt(message)

    def _metrics(self) -> Metrics:
        """What the last round's evaluation measured."""
        last = self._last
        return Metrics(None, None) if last is None else Metrics.measured(last.accuracy, last.loss)

    def _with_failures(self, reason: str) -> str:
        """`reason`, and what the first node that failed in the last round said."""
        failures = () if self._last is None else _report(self._last, 0, 0).failures
        return f"{reason}; {failures[0]}" if failures else reason

    def _opening(self, simulation: Simulation) -> dict[str, Json]:
        return {
            "task": self._plan.task,
            "engine": ENGINE,
            "strategy": STRATEGY,
            "rounds": self._plan.rounds,
            "nodes": simulation.names,
            "model_parameters": len(simulation.model),
            "config": asdict(self._plan),
        }

    def _note(self, record: RoundRecord) -> None:
        batch = self._translator.batch(record)
        self._journal.append(batch)
        self._last = record
        down = sum(node.payload_down_bytes or 0 for node in record.nodes)
        up = sum(node.payload_up_bytes or 0 for node in record.nodes)
        self._bytes_down += down
        self._bytes_up += up
        self._on_round(_report(record, self._plan.rounds, up + down))

    def _end(
        self,
        state: Literal["finished", "failed", "interrupted"],
        reason: str | None,
        vector: Vector | None,
    ) -> Outcome:
        digest = None if vector is None else hashlib.sha256(vector.tobytes()).hexdigest()
        self._say("RUN_ENDED", {"state": state, "reason": reason, "model_sha256": digest})
        last = self._last
        return Outcome(
            run_id=self._run_id,
            state=state,
            reason=reason,
            rounds=0 if last is None else last.round,
            loss=None if last is None else last.loss,
            accuracy=None if last is None else last.accuracy,
            seconds=time.perf_counter() - self._started,
            bytes_up=self._bytes_up,
            bytes_down=self._bytes_down,
            model_sha256=digest,
        )

    def _say(self, kind: str, details: dict[str, Json]) -> None:
        event = Event(time.time_ns(), SOURCE, kind, self._run_id, details=details)
        self._journal.append(Batch(events=[event]))


def _report(record: RoundRecord, rounds: int, payload_bytes: int) -> RoundReport:
    failed = [node for node in record.nodes if node.status != "trained"]
    return RoundReport(
        round=record.round,
        rounds=rounds,
        seconds=record.seconds,
        loss=record.loss,
        accuracy=record.accuracy,
        participants=len(record.trained),
        selected=len(record.nodes),
        failures=tuple(f"{node.node}: {node.reason or 'no reply'}" for node in failed),
        payload_bytes=payload_bytes,
    )
