"""One invocation of `fedsight run`: a collector, the nodes, the training, what is said of it."""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fedsight.cli.attached import Collector, answers, complaints, log_file
from fedsight.cli.interrupts import INTERRUPTS
from fedsight.cli.kept import collector
from fedsight.cli.placing import local_nodes
from fedsight.cli.reach import Reach, linked
from fedsight.cli.ruling import Ruling
from fedsight.cli.screen import (
    ACCURACY,
    Screen,
    figures,
    planned,
    saved,
    summary,
    told_personal,
)
from fedsight.config import Settings
from fedsight.door.hosts import LOOPBACK_NAMES
from fedsight.errors import FedsightError
from fedsight.journal import Journal, Shipper
from fedsight.journal.http import HttpSink

if TYPE_CHECKING:
    from fedsight.federated.link.launch import Federation
    from fedsight.federated.link.linked import Linked
    from fedsight.federated.plan import Plan
    from fedsight.federated.runs.checkpoint import Checkpoint
    from fedsight.federated.training import Outcome, Steering
    from fedsight.federated.versions import RunKeeper
    from fedsight.tasks import Task

FLUSH_SECONDS = 10.0
POLL_SECONDS = 0.2

STYLE = {
    "finished": "bold green",
    "failed": "bold red",
    "interrupted": "bold yellow",
    "stopped": "bold yellow",
}

#: So long an import that goes on is waited for at the end. A Ctrl-C that comes as the main thread
#: takes the lock of all imports leaves it taken: then the other thread's never ends.
IMPORT_SECONDS = 15.0


@dataclass(frozen=True)
class Asked:
    """What is to be run: a plan, from where it goes on, and on whose nodes."""

    plan: Plan
    resume: Checkpoint | None = None
    reach: Reach = field(default_factory=Reach)


class Running:
    """Runs what is asked, once."""

    def __init__(self, settings: Settings, asked: Asked, screen: Screen) -> None:
        self._settings = settings
        self._asked = asked
        self._plan = asked.plan
        self._screen = screen
        self._ruling: Ruling | None = None

    @property
    def was_governed(self) -> bool:
        """Whether it goes on with a run on which policy decided."""
        return self._asked.resume is not None and self._asked.resume.governed

    def governed(self, ruling: Ruling) -> None:
        """Let policy decide on the run. Raises PolicyError where its set is wrong."""
        for warning in ruling.warnings():
            self._caution(warning)
        self._ruling = ruling

    def ungoverned(self) -> None:
        """Say so where there is a policy set that could."""
        for rules in filter(None, (self._settings.policy.rules, self._settings.data / "policy")):
            if any(rules.glob("*.cedar")):
                self._caution(f"the policy set in {rules} does not govern this run: say --policy")
                return

    def run(self, port: int, *, stay: bool, on_end: Callable[[Plan, Outcome], None]) -> Outcome:
        """Train, tell `on_end`, and with `stay` keep the dashboard up until Ctrl-C."""
        attach = port != 0 and answers(self._settings, port)
        with ExitStack() as open_:
            loading = _loading_training()
            federation = self._launched(open_, loading.start)
            open_.callback(loading.join, IMPORT_SECONDS)
            with collector(self._settings, port, attach, self._caution) as reached:
                welcome(self._screen, self._settings, reached)
                loading.join()
                outcome = self._train(reached, federation)
                on_end(self._plan, outcome)
                if outcome.state == "finished" and stay:
                    stay_up(self._screen, reached)
        return outcome

    def _launched(self, open_: ExitStack, meanwhile: Callable[[], None]) -> Federation | None:
        """A SuperLink and nodes of our own, where the plan wants some and names no others.

        `meanwhile` is done in any case: while they begin to start.
        """
        if self._plan.engine == "simulation" or self._asked.reach.superlink is not None:
            meanwhile()
            return None
        from fedsight.federated.link.launch import launched

        federation = launched(
            self._settings,
            local_nodes(self._plan),
            task=self._plan.task,
            tell=self._caution,
            meanwhile=meanwhile,
        )
        return open_.enter_context(federation)

    def _link(self, federation: Federation | None) -> Linked | None:
        """The way to the nodes; None where they are simulated."""
        if self._plan.engine == "simulation":
            return None
        from fedsight.federated.link.address import Address
        from fedsight.federated.link.caller import Place
        from fedsight.federated.link.linked import Linked

        if federation is not None:
            self._screen.say(f"{len(federation.names)} nodes at SuperLink {federation.address}")
            return Linked(Place(Address.of(federation.address)), len(federation.names))
        return linked(self._asked.reach, self._settings.data)

    def _train(self, reached: Collector, federation: Federation | None) -> Outcome:
        training, task = _training(self._plan)
        resume = self._asked.resume
        run_id: str = training.new_run_id() if resume is None else resume.run
        self._screen.say(f"run {run_id} at {reached.url}/#/run/{run_id}")
        self._screen.say(planned(self._plan))
        if resume is not None:
            self._screen.say(f"goes on after round {resume.round}")
        models, link = self._models(run_id, task), self._link(federation)
        journal = self._journal(run_id)
        try:
            with (
                HttpSink(reached.url, reached.token, verify=reached.verify) as sink,
                Shipper(journal, sink) as shipper,
            ):
                columns = figures(task)
                with self._screen.rounds(self._plan.rounds, columns) as on_round:
                    steering = self._steering(training, on_round)
                    outcome = self._trained(training, journal, run_id, steering, models, link)
                self._screen.say(summary(outcome, columns), STYLE[outcome.state])
                if outcome.personal is not None:
                    self._screen.say(told_personal(outcome.personal))
                if models.latest is not None:
                    own = columns != (ACCURACY,)
                    self._screen.say(saved(models.latest, outcome.best_round if own else None))
                if outcome.state in {"failed", "interrupted"} and outcome.rounds:
                    self._screen.say(f"go on with it: {self._again(run_id)}")
                flush(self._screen, journal, shipper)
        except FedsightError:
            if models.latest is not None:
                self._screen.say(f"once that is mended, go on: {self._again(run_id)}")
            raise
        finally:
            journal.discard()
        return outcome

    def _again(self, run_id: str) -> str:
        """The command that goes on with the run."""
        ruled = "" if self._ruling is None else f" {self._ruling.flags()}"
        return f"fedsight run --resume {run_id}{ruled}"

    def _trained(
        self,
        training: Any,
        journal: Journal,
        run_id: str,
        steering: Steering,
        models: RunKeeper,
        link: Linked | None,
    ) -> Outcome:
        from fedsight.federated.runs.checkpoint import Checkpoints, resumption

        resume = self._asked.resume
        if resume is not None:
            models.go_on_from(resume.round)
        with self._governing(journal) as govern:
            outcome: Outcome = training.train(
                self._plan,
                journal,
                run_id=run_id,
                steering=replace(steering, govern=govern),
                models=models,
                checkpoints=Checkpoints(self._settings.checkpoint_folder),
                resume=None if resume is None else resumption(resume, journal),
                link=link,
                kept=self._settings.personal_folder,
            )
        return outcome

    def _governing(self, journal: Journal) -> AbstractContextManager[Any]:
        """What policy governs the run with, None where it does not."""
        if self._ruling is None:
            return nullcontext()
        return self._ruling.governing(self._settings, journal)

    def _steering(self, training: Any, on_round: Callable[..., None]) -> Steering:
        steering: Steering = training.Steering(
            on_round=on_round, on_doubt=self._warn, on_wait=self._warn
        )
        return steering

    def _journal(self, run_id: str) -> Journal:
        limit = self._settings.journal.max_bytes
        return Journal(self._settings.journals, run_id, max_bytes=limit)

    def _warn(self, message: str) -> None:
        self._screen.say(f"  {message}", "yellow")

    def _models(self, run_id: str, task: Task) -> RunKeeper:
        from fedsight.federated.versions import ModelStore, RunKeeper
        from fedsight.tasks import described

        store, keep = ModelStore(self._settings.model_folder), self._settings.models.keep
        return RunKeeper(store, run_id, self._plan.task, keep, described(task))

    def _caution(self, text: str) -> None:
        self._screen.say(text, "yellow")


def welcome(screen: Screen, settings: Settings, reached: Collector) -> None:
    """Say where the dashboard is, and what is wrong with its store."""
    screen.say(f"dashboard at {reached.url}", "bold")
    for complaint in complaints(reached):
        screen.say(complaint, "yellow")
    if settings.collector.host not in LOOPBACK_NAMES:
        log = log_file(settings.data)
        screen.say(f"bound beyond loopback: the address to log in with is in {log}")


def flush(screen: Screen, journal: Journal, shipper: Shipper) -> None:
    """Wait until all is shipped; say so where it is not."""
    if shipper.flush(FLUSH_SECONDS):
        return
    health = shipper.health
    screen.say(
        f"{health.waiting} records wait in {journal.path} for the next collector"
        f" ({health.last_error or 'no answer yet'})",
        "yellow",
    )


def stay_up(screen: Screen, reached: Collector) -> None:
    """Keep a dashboard of our own up until Ctrl-C."""
    if reached.child is None:
        screen.say(f"the dashboard at {reached.url} was up before and stays up")
        return
    try:
        screen.say(f"dashboard stays up at {reached.url} until Ctrl-C")
        while True:
            time.sleep(POLL_SECONDS)
    except KeyboardInterrupt:
        INTERRUPTS.leave()


def _loading_training() -> threading.Thread:
    """Imports torch and flwr while other processes start: both take seconds."""
    return threading.Thread(target=_import_training, name="import", daemon=True)


def _import_training() -> None:
    with suppress(ImportError, FedsightError):  # importing again, in `_training`, tells it
        importlib.import_module("fedsight.federated.training")


def _training(plan: Plan) -> tuple[Any, Task]:
    """The module that trains, and the plan's task."""
    from fedsight.federated import training
    from fedsight.tasks import load as load_task

    return training, load_task(plan.task, plan.columns)
