"""`fedsight run`: train, show every round in the terminal and live on the dashboard."""

from __future__ import annotations

import importlib
import json
import math
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedsight.cli.attached import Collector, answers, complaints, log_file, make_writable
from fedsight.cli.kept import collector
from fedsight.cli.options import Config
from fedsight.cli.screen import Screen, planned, saved, summary
from fedsight.door.hosts import LOOPBACK_NAMES
from fedsight.config import Settings, load
from fedsight.errors import FedsightError, UsageError
from fedsight.journal import Journal, Shipper
from fedsight.journal.http import HttpSink

if TYPE_CHECKING:
    from fedsight.federated.plan import Plan
    from fedsight.federated.training import Outcome
    from fedsight.federated.versions import RunKeeper

ENGINE = "simulation"
FLUSH_SECONDS = 10.0
POLL_SECONDS = 0.2

EXAMPLES = """[bold]Examples[/]

fedsight run: the demo; the dashboard stays up until Ctrl-C

fedsight run --task digits --nodes 20 --alpha 0.1 --exit: ends after training

fedsight run --exit --json | jq .final.accuracy: one JSON object on stdout
"""


def _option(text: str, default: str, **more: Any) -> Any:
    return typer.Option(help=text, show_default=default, **more)


def run(
    task: Annotated[
        str | None, _option("What to train: mnist, digits, or package.module:object.", "mnist")
    ] = None,
    nodes: Annotated[int | None, _option("How many nodes share the data.", "10")] = None,
    rounds: Annotated[int | None, _option("How many rounds.", "20")] = None,
    fraction: Annotated[
        float | None, _option("Share of the nodes that train each round.", "1.0")
    ] = None,
    partition: Annotated[
        str | None, _option("How the data is split: iid, dirichlet or shards.", "dirichlet")
    ] = None,
    alpha: Annotated[
        float | None, _option("Dirichlet's alpha: the smaller, the more unequal.", "0.5")
    ] = None,
    epochs: Annotated[int | None, _option("Local epochs a round.", "5")] = None,
    lr: Annotated[float | None, _option("Learning rate of local SGD.", "0.05")] = None,
    momentum: Annotated[float | None, _option("Momentum of local SGD.", "0.9")] = None,
    batch_size: Annotated[int | None, _option("Local batch size.", "32")] = None,
    seed: Annotated[int | None, _option("Seed of everything random.", "0")] = None,
    local: Annotated[
        str | None, _option("How nodes train: loop (in turn) or cohort (all at once).", "loop")
    ] = None,
    port: Annotated[int | None, _option("The dashboard's port; 0: any free one.", "8083")] = None,
    exit_: Annotated[
        bool, typer.Option("--exit", help="End after training instead of staying up.")
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON object on stdout, all else on stderr."),
    ] = False,
    config: Config = None,
) -> int:
    """Train a federated model on simulated nodes, live on the dashboard.

    Defaults come from the configuration (docs/configuration.md). Without any flag: the demo, real
    handwritten digits over ten unequal nodes.
    """
    given = {name: value for name, value in locals().items() if value is not None}
    settings = load(config)
    plan = _plan(settings, given)
    port = settings.collector.port if port is None else port
    if not 0 <= port <= 65535:
        raise UsageError(f"port must be a port number from 0 (any free one) to 65535, got {port}")
    make_writable(settings.data)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return _Session(settings, plan, Screen(stderr=as_json)).run(port, as_json, stay=not exit_)


def _plan(settings: Settings, given: dict[str, Any]) -> Plan:
    from fedsight.federated.plan import Plan

    defaults = settings.run.model_dump()
    return Plan(**{name: given.get(name, default) for name, default in defaults.items()})


class _Session:
    """One invocation of `fedsight run`."""

    def __init__(self, settings: Settings, plan: Plan, screen: Screen) -> None:
        self._settings = settings
        self._plan = plan
        self._screen = screen

    def run(self, port: int, as_json: bool, stay: bool) -> int:
        attach = port != 0 and answers(self._settings, port)
        loading = _load_training()
        try:
            with collector(self._settings, port, attach, self._caution) as reached:
                self._welcome(reached)
                outcome = self._train(reached, loading)
                if as_json:
                    print(json.dumps(_printed(self._plan, outcome)), flush=True)
                if outcome.state == "finished" and stay:
                    self._stay_up(reached)
        finally:
            loading.join()
        return 0 if outcome.state == "finished" else 1

    def _welcome(self, reached: Collector) -> None:
        self._screen.say(f"dashboard at {reached.url}", "bold")
        for complaint in complaints(reached):
            self._caution(complaint)
        if self._settings.collector.host not in LOOPBACK_NAMES:
            log = log_file(self._settings.data)
            self._screen.say(f"bound beyond loopback: the address to log in with is in {log}")

    def _train(self, reached: Collector, loading: threading.Thread) -> Outcome:
        loading.join()
        train, new_run_id = _training(self._plan.task)
        run_id = new_run_id()
        self._screen.say(f"run {run_id} at {reached.url}/#/run/{run_id}")
        self._screen.say(planned(self._plan))
        limit = self._settings.journal.max_bytes
        models = self._models(run_id)
        journal = Journal(self._settings.journals, run_id, max_bytes=limit)
        try:
            with HttpSink(reached.url, reached.token) as sink, Shipper(journal, sink) as shipper:
                with self._screen.rounds(self._plan.rounds) as on_round:
                    outcome: Outcome = train(
                        self._plan,
                        journal,
                        run_id=run_id,
                        on_round=on_round,
                        on_doubt=self._warn,
                        models=models,
                    )
                self._screen.say(summary(outcome), _STYLE[outcome.state])
                if models.latest is not None:
                    self._screen.say(saved(models.latest))
                self._flush(journal, shipper)
        finally:
            journal.discard()
        return outcome

    def _warn(self, message: str) -> None:
        self._screen.say(f"  {message}", "yellow")

    def _models(self, run_id: str) -> RunKeeper:
        from fedsight.federated.versions import ModelStore, RunKeeper

        store = ModelStore(self._settings.model_folder)
        return RunKeeper(store, run_id, self._plan.task, self._settings.models.keep)

    def _flush(self, journal: Journal, shipper: Shipper) -> None:
        if shipper.flush(FLUSH_SECONDS):
            return
        health = shipper.health
        self._screen.say(
            f"{health.waiting} records wait in {journal.path} for the next collector"
            f" ({health.last_error or 'no answer yet'})",
            "yellow",
        )

    def _stay_up(self, reached: Collector) -> None:
        if reached.child is None:
            self._screen.say(f"the dashboard at {reached.url} was up before and stays up")
            return
        self._screen.say(f"dashboard stays up at {reached.url} until Ctrl-C")
        with suppress(KeyboardInterrupt):
            while True:
                time.sleep(POLL_SECONDS)

    def _caution(self, text: str) -> None:
        self._screen.say(text, "yellow")


_STYLE = {"finished": "bold green", "failed": "bold red", "interrupted": "bold yellow"}


def _load_training() -> threading.Thread:
    """Import torch and flwr while the collector starts: both take seconds."""
    thread = threading.Thread(target=_import_training, name="import")
    thread.start()
    return thread


def _import_training() -> None:
    with suppress(ImportError, FedsightError):  # importing again, in `_training`, tells it
        importlib.import_module("fedsight.federated.training")


def _training(task: str) -> tuple[Any, Any]:
    """`train` and `new_run_id`, once the task is known to exist."""
    if ":" in task:
        sys.path.insert(0, "")
    from fedsight.federated.training import new_run_id, train
    from fedsight.tasks import load as load_task

    load_task(task)
    return train, new_run_id


def _printed(plan: Plan, outcome: Outcome) -> dict[str, Any]:
    return {
        "run_id": outcome.run_id,
        "task": plan.task,
        "engine": ENGINE,
        "nodes": plan.nodes,
        "rounds": outcome.rounds,
        "final": {"accuracy": _finite(outcome.accuracy), "loss": _finite(outcome.loss)},
        "seconds": round(outcome.seconds, 3),
        "bytes_up": outcome.bytes_up,
        "bytes_down": outcome.bytes_down,
    }


def _finite(value: float | None) -> float | None:
    """JSON has no NaN: what is no number is not known."""
    return None if value is None or not math.isfinite(value) else value
