"""`fedsight run`: train, show every round in the terminal and live on the dashboard."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedsight.cli.apps import RunningApp, Told, asked_app
from fedsight.cli.arriving import wait_for_rows
from fedsight.cli.attached import make_writable
from fedsight.cli.interrupts import INTERRUPTS
from fedsight.cli.options import Config
from fedsight.cli.plan_options import plan, with_plan_options
from fedsight.cli.reach import Reach
from fedsight.cli.ruling import Observe, Policy, ruled
from fedsight.cli.running import Asked, Running
from fedsight.cli.screen import Screen
from fedsight.config import Settings, load
from fedsight.errors import FedsightError, UsageError
from fedsight.journal import Journal, JournalInUseError

if TYPE_CHECKING:
    from fedsight.federated.plan import Plan
    from fedsight.federated.training import Outcome

Path_ = Annotated[
    Path | None, typer.Argument(help="The folder of a Flower app.", show_default=False)
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a Flower app's configuration.", metavar="KEY=VALUE"),
]

EXAMPLES = """[bold]Examples[/]

fedsight run: the demo; the dashboard stays up until Ctrl-C

fedsight run --task digits --nodes 20 --alpha 0.1 --exit: ends after training

fedsight run --engine deployment --nodes 4: each node a process of its own

fedsight run --superlink 127.0.0.1:8000: on the nodes of a federation that is up

fedsight run ./my-app --nodes 4 --set num-server-rounds=5: a Flower app, as it is

fedsight run --task telemetry --data recorded: forecasts, of CSV files, one a node

fedsight run --resume r-3fa9c01b: goes on from the last whole round of a run that was cut off

fedsight run --exit --json | jq .final.accuracy: one JSON object on stdout
"""


@with_plan_options
def run(
    path: Path_ = None,
    sets: Sets = None,
    superlink: Annotated[
        str | None,
        typer.Option(help="Use the nodes of this SuperLink.", metavar="HOST:PORT"),
    ] = None,
    root_cert: Annotated[
        Path | None,
        typer.Option(help="Certificate of the authority that vouches for the SuperLink."),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="What a SuperLink on another machine asks for.", show_default="DATA/token"
        ),
    ] = None,
    resume: Annotated[
        str | None, typer.Option(help="Go on from the last whole round of RUN.", metavar="RUN")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Resume although the configuration changed.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(help="The dashboard's port; 0: any free one.", show_default="8083"),
    ] = None,
    exit_: Annotated[
        bool, typer.Option("--exit", help="End after training instead of staying up.")
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one JSON object on stdout, all else on stderr."),
    ] = False,
    policy: Policy = None,
    observe: Observe = False,
    config: Config = None,
    **given: Any,
) -> int:
    """Train a federated model, live on the dashboard; with PATH, run the Flower app that is there.

    Defaults come from the configuration (docs/configuration.md). Without any flag: the demo, real
    handwritten digits over ten unequal nodes, simulated in this process.
    """
    settings = load(config)
    if superlink is not None:
        given.setdefault("engine", "deployment")
    reach = Reach(superlink, root_cert, token_file)
    job = _job(settings, given, resume, force, reach, path, sets or [], Screen(stderr=as_json))
    _govern(job, policy, observe, force)
    port = settings.collector.port if port is None else port
    if not 0 <= port <= 65535:
        raise UsageError(f"port must be a port number from 0 (any free one) to 65535, got {port}")
    make_writable(settings.data)
    INTERRUPTS.listen()
    outcome = job.run(port, stay=not exit_, on_end=_print if as_json else lambda *_: None)
    trained = outcome.state == "finished" or (outcome.state == "stopped" and outcome.rounds > 0)
    return 0 if trained else 1


def _govern(job: Running | RunningApp, policy: str | None, observe: bool, force: bool) -> None:
    """Let a policy set or service decide on the run, where one is named.

    Raises UsageError where a governed run would go on without one and without `force`.
    """
    ruling = ruled(policy, observe)
    if ruling is None:
        if isinstance(job, Running) and job.was_governed and not force:
            raise UsageError(
                "policy decided on this run until now: name it with --policy,"
                " or say --force to go on without"
            )
        if isinstance(job, Running):
            job.ungoverned()
        return
    if isinstance(job, Running):
        job.governed(ruling)
    else:
        raise UsageError("--policy governs runs of a task: leave out PATH")


def _job(
    settings: Settings,
    given: dict[str, Any],
    resume: str | None,
    force: bool,
    reach: Reach,
    path: Path | None,
    sets: list[str],
    screen: Screen,
) -> Running | RunningApp:
    """What is to be run: a plan, or the Flower app at `path`."""
    if path is None:
        if sets:
            raise UsageError("--set changes a Flower app's configuration: it needs the app's PATH")
        if resume is None and reach.superlink is None:
            wait_for_rows(settings, given, screen)
        return Running(settings, _asked(settings, given, resume, force, reach), screen)
    others = {"resume": resume, "force": force or None}
    app = asked_app(
        settings.run,
        path,
        sets,
        given | {key: value for key, value in others.items() if value is not None},
        reach,
    )
    return RunningApp(settings, app, screen)


def _asked(
    settings: Settings,
    given: dict[str, Any],
    resume: str | None,
    force: bool,
    reach: Reach,
) -> Asked:
    """What is to be run. Raises UsageError where a resume would change the run without `force`."""
    if resume is None:
        if force:
            raise UsageError("--force says that a changed run may be resumed: it needs --resume")
        here = reach.superlink is None
        return Asked(plan(settings.run, given, settings.windows_folder, here=here), reach=reach)
    from fedsight.federated.plan import Plan
    from fedsight.federated.runs.checkpoint import Checkpoints, changes

    found = Checkpoints(settings.checkpoint_folder).read(resume)
    _check_is_over(settings, resume)
    changed = changes(found.plan, given)
    if changed and not force:
        raise UsageError(
            f"the configuration of {resume} changed: {', '.join(changed)};"
            " say --force to go on with it"
        )
    return Asked(Plan.of(found.plan | given), resume=found, reach=reach)


def _check_is_over(settings: Settings, run: str) -> None:
    """Raise FedsightError where another process is at it: two would write one journal."""
    try:
        Journal(settings.journals, run).close()
    except JournalInUseError:
        raise FedsightError(
            f"run {run} goes on in another process; it can be resumed once that has ended"
        ) from None


def _print(plan: Plan | Told, outcome: Outcome) -> None:
    final = {"accuracy": _finite(outcome.accuracy), "loss": _finite(outcome.loss)}
    told = {
        "run_id": outcome.run_id,
        "task": plan.task,
        "engine": plan.engine,
        "nodes": plan.nodes,
        "rounds": outcome.rounds,
        "final": final,
        "seconds": round(outcome.seconds, 3),
        "bytes_up": outcome.bytes_up,
        "bytes_down": outcome.bytes_down,
        "model_sha256": outcome.model_sha256,
    }
    print(json.dumps(told), flush=True)


def _finite(value: float | None) -> float | None:
    """JSON has no NaN: what is no number is not known."""
    return None if value is None or not math.isfinite(value) else value
