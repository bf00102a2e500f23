"""One whole run: from a plan and a journal to a trained model, on either engine."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import torch
from flwr.serverapp import Grid

from fedsight.errors import UsageError
from fedsight.federated.engines.deployed import Deployment
from fedsight.federated.engines.simulated import Simulation
from fedsight.federated.fleet import Fleet, NodeView
from fedsight.federated.governance import Governance
from fedsight.federated.governing import Ruled
from fedsight.federated.plan import DEPLOYMENT, Plan
from fedsight.federated.rounds.control import Control, Progressing
from fedsight.federated.rounds.muster import Muster
from fedsight.federated.runs.checkpoint import Checkpoints, Resumption
from fedsight.federated.runs.outcome import Outcome, RoundReport, end
from fedsight.federated.runs.session import Session
from fedsight.federated.runs.telling import ModelKeeper, Nowhere, Recorder
from fedsight.federated.selection import eligible
from fedsight.tasks import Task, Validated, load

__all__ = ["Link", "Outcome", "RoundReport", "Steering", "new_run_id", "train"]


class Link(Protocol):
    """A way to nodes elsewhere."""

    def connect(
        self,
        plan: Plan,
        on_wait: Callable[[str], object],
        on_idle: Callable[[float], object],
        on_back: Callable[[str], object],
    ) -> AbstractContextManager[Grid]:
        """The grid of a new Flower run, which is ended with the context, as failed on an error,
        unless it was told before how the run ended.

        `on_wait` is told what a lost connection waits for, `on_back` that it is there again,
        `on_idle` waits for so many seconds.
        Raises FedsightError where nobody answers.
        """

    @property
    def expected(self) -> int:
        """How many nodes the first round had better wait for."""


@dataclass
class Steering:
    """What a run is steered by, and what it says of itself; all of it may be left as it is.

    `on_fleet` is given the nodes' grid before the first round; it is good until the run has ended.
    `on_nodes` is given the nodes each time that the run has looked who is there. With `govern`
    (`governing.governing`) policy decides on the run.
    """

    control: Control = field(default_factory=Control)
    progress: Progressing = field(default_factory=Progressing)
    on_round: Callable[[RoundReport], None] = lambda _: None
    on_doubt: Callable[[str], None] = lambda _: None
    on_wait: Callable[[str], None] = lambda _: None
    on_fleet: Callable[[Fleet], None] = lambda _: None
    on_nodes: Callable[[Sequence[NodeView]], None] = lambda _: None
    govern: Callable[[Ruled], Governance] | None = None


def new_run_id() -> str:
    """A run id that no other run has: `r-` and eight hexadecimal digits."""
    return f"r-{secrets.token_hex(4)}"


def train(
    plan: Plan,
    journal: Recorder,
    *,
    run_id: str,
    steering: Steering | None = None,
    models: ModelKeeper | None = None,
    checkpoints: Checkpoints | None = None,
    resume: Resumption | None = None,
    link: Link | None = None,
    kept: Path | None = None,
) -> Outcome:
    """Run `plan` and journal it; returns how it ended.

    After each round, outside its measured time, `models` is given the global model, and
    `checkpoints` what a later `resume` needs to go on from there. A plan for the deployment engine
    needs a `link`. In the folder `kept` simulated nodes keep models of their own, each in its own.

    Ctrl-C ends the run as `interrupted`, a stop by `steering.control` as `stopped`; a run without
    usable updates is `failed`. An error of the task's own code outside a node is journaled, then
    raised. Raises UsageError, before anything is journaled, where the task or its partition cannot
    be had.
    """
    torch.set_num_threads(1)  # faster for small models, and results do not depend on the machine
    logging.getLogger("flwr").setLevel(logging.ERROR)
    if plan.engine != DEPLOYMENT:
        _warm_up()
    task = load(plan.task, plan.columns)
    if plan.tuned.personal and not isinstance(task, Validated):
        raise UsageError(
            f"task {plan.task} is not validated on its nodes, so none can tell whether a model of"
            " its own is better: leave out personal"
        )
    session = Session(
        plan,
        journal,
        run_id,
        steering or Steering(),
        models=models or Nowhere(),
        checkpoints=checkpoints,
        resume=resume,
    )
    if plan.engine != DEPLOYMENT:
        return session.run(Simulation(plan, task, kept))
    if link is None:
        raise UsageError("the deployment engine needs a SuperLink: start one, or name one")
    return _deployed(session, plan, task, link)


def _deployed(session: Session, plan: Plan, task: Task, link: Link) -> Outcome:
    with link.connect(plan, session.waits, session.sleep, session.goes_on) as grid:
        able = partial(eligible, plan.selection)
        silent, on_nodes = plan.closing.silent_seconds, session.on_nodes
        muster = Muster(grid, silent, session.told.say, able, on_nodes)
        stage = Deployment(plan, task, grid, muster)
        outcome = session.run(stage, muster=muster, least=link.expected)
        end(grid, outcome)
        return outcome


def _warm_up() -> None:
    """Let torch import its compiler, as a first optimiser does: over a second on the first client.

    Otherwise whoever trains first would be measured as the slowest node of round 1.
    """
    weight = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=1.0)
    optimizer.zero_grad()
    optimizer.step()
