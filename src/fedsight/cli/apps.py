"""`fedsight run PATH`: a Flower app as it is, and what can be seen of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsight.cli.attached import Collector, answers
from fedsight.cli.kept import collector
from fedsight.cli.reach import Reach, linked
from fedsight.cli.running import STYLE, flush, stay_up, welcome
from fedsight.cli.screen import Screen, saved, summary
from fedsight.config import RunSettings, Settings
from fedsight.errors import UsageError
from fedsight.journal import Journal, Shipper
from fedsight.journal.http import HttpSink

if TYPE_CHECKING:
    from fedsight.federated.anyapp.loading import Loaded
    from fedsight.federated.anyapp.project import FlowerApp
    from fedsight.federated.anyapp.running import Where
    from fedsight.federated.link.caller import Place
    from fedsight.federated.plan import RoundPlan
    from fedsight.federated.runs.outcome import Outcome

ENGINES = ("simulation", "deployment")
#: What of a plan an app that has rounds of its own can be told.
TAKEN = {"nodes", "engine", "timeout_seconds", "wait_seconds", "silent_seconds"}


@dataclass(frozen=True)
class Told:
    """What is told of an app's run beside its outcome."""

    task: str
    engine: str
    nodes: int


@dataclass(frozen=True)
class AskedApp:
    """Which app is to be run, on how many nodes of what kind."""

    app: FlowerApp
    told: Told
    rule: RoundPlan
    reach: Reach
    least: int


def asked_app(
    defaults: RunSettings,
    path: Path,
    sets: Sequence[str],
    given: Mapping[str, Any],
    reach: Reach,
) -> AskedApp:
    """What is asked. Raises UsageError where there is no such app, or for a flag that would have no
    effect on it."""
    idle = sorted(given.keys() - TAKEN)
    if idle:
        flag = "--" + idle[0].replace("_", "-")
        raise UsageError(
            f"{flag} has no effect on a Flower app, whose rounds are its own; its configuration is"
            " changed by --set, and the rules of its rounds in Observed(strategy, ...)"
        )
    engine = given.get("engine", defaults.engine)
    nodes = given.get("nodes", defaults.nodes)
    if engine not in ENGINES:
        raise UsageError(f"engine must be one of {', '.join(ENGINES)}, got {engine!r}")
    if engine == "simulation" and reach.superlink is not None:
        raise UsageError("--superlink names nodes elsewhere: it needs engine deployment")
    if not 1 <= nodes <= 100_000:
        raise UsageError(f"nodes must be from 1 to 100000, got {nodes}")
    from fedsight.federated.anyapp.project import read
    from fedsight.federated.plan import RoundPlan

    rule = RoundPlan(
        timeout_seconds=given.get("timeout_seconds", defaults.timeout_seconds),
        wait_seconds=given.get("wait_seconds", defaults.wait_seconds),
        silent_seconds=given.get("silent_seconds", defaults.silent_seconds),
    )
    app = read(path, sets)
    least = given.get("nodes", 1) if reach.superlink is not None else nodes
    return AskedApp(app, Told(app.name, engine, nodes), rule, reach, least)


class RunningApp:
    """Runs an app, once."""

    def __init__(self, settings: Settings, asked: AskedApp, screen: Screen) -> None:
        self._settings = settings
        self._asked = asked
        self._screen = screen

    def run(self, port: int, *, stay: bool, on_end: Callable[[Told, Outcome], None]) -> Outcome:
        """Run it, tell `on_end`, and with `stay` keep the dashboard up until Ctrl-C.

        Raises UsageError, before anything is started, where the app cannot be loaded.
        """
        from fedsight.federated.anyapp.loading import loaded

        attach = port != 0 and answers(self._settings, port)
        with ExitStack() as open_:
            open_.enter_context(redirect_stdout(self._screen.stream))
            parts = open_.enter_context(loaded(self._asked.app))
            place = self._place(open_)
            reached = open_.enter_context(collector(self._settings, port, attach, self._caution))
            welcome(self._screen, self._settings, reached)
            outcome = self._train(parts, reached, place)
            with redirect_stdout(sys.__stdout__):
                on_end(self._asked.told, outcome)
            if outcome.state == "finished" and stay:
                stay_up(self._screen, reached)
        return outcome

    def _place(self, open_: ExitStack) -> Place | None:
        """The SuperLink whose nodes run the app; None where they are simulated."""
        if self._asked.told.engine == "simulation":
            return None
        if self._asked.reach.superlink is not None:
            return linked(self._asked.reach, self._settings.data).place
        from fedsight.federated.link.address import Address
        from fedsight.federated.link.caller import Place
        from fedsight.federated.link.launch import launched

        federation = open_.enter_context(
            launched(self._settings, self._asked.told.nodes, apps=True, tell=self._caution)
        )
        self._screen.say(f"{len(federation.names)} nodes at SuperLink {federation.address}")
        return Place(Address.of(federation.address))

    def _train(self, parts: Loaded, reached: Collector, place: Place | None) -> Outcome:
        from fedsight.federated.anyapp.running import Where
        from fedsight.federated.training import new_run_id

        run_id = new_run_id()
        asked = self._asked
        self._screen.say(f"run {run_id} at {reached.url}/#/run/{run_id}")
        self._screen.say(f"{asked.app.name}: the Flower app in {asked.app.folder}")
        limit = self._settings.journal.max_bytes
        journal = Journal(self._settings.journals, run_id, max_bytes=limit)
        try:
            with (
                HttpSink(reached.url, reached.token, verify=reached.verify) as sink,
                Shipper(journal, sink) as shipper,
            ):
                where = Where(asked.least, place, asked.rule)
                outcome = self._outcome(parts, journal, run_id, where)
                flush(self._screen, journal, shipper)
        finally:
            journal.discard()
        return outcome

    def _outcome(self, parts: Loaded, journal: Journal, run_id: str, where: Where) -> Outcome:
        from fedsight.federated.anyapp.running import run_app
        from fedsight.federated.anyapp.session import AppSteering
        from fedsight.federated.versions import ModelStore, RunKeeper

        store = ModelStore(self._settings.model_folder)
        name = self._asked.app.name
        models = RunKeeper(store, run_id, name, self._settings.models.keep)
        with self._screen.rounds(None) as on_round:
            outcome = run_app(
                self._asked.app,
                parts,
                journal,
                run_id=run_id,
                where=where,
                steering=AppSteering(
                    on_round=on_round, on_doubt=self._caution, on_wait=self._caution
                ),
                models=models,
            )
        self._screen.say(summary(outcome), STYLE[outcome.state])
        if models.latest is not None:
            self._screen.say(saved(models.latest))
        return outcome

    def _caution(self, text: str) -> None:
        self._screen.say(text, "yellow")
