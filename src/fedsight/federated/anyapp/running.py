"""One whole run of a Flower app, on either engine."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from flwr.app import Context, RecordDict
from flwr.common.constant import SUPERLINK_NODE_ID
from flwr.serverapp import Grid

from fedsight.federated.anyapp import apart
from fedsight.federated.anyapp.bundled import bundled
from fedsight.federated.anyapp.loading import Loaded
from fedsight.federated.anyapp.project import FlowerApp
from fedsight.federated.anyapp.session import (
    AppSession,
    AppSteering,
    Opening,
)
from fedsight.federated.anyapp.watching import namer, watching
from fedsight.federated.fleet import Fleet, Timed
from fedsight.federated.plan import DEPLOYMENT, SIMULATION, RoundPlan
from fedsight.federated.rounds.muster import Muster
from fedsight.federated.runs.outcome import Outcome, end
from fedsight.federated.runs.telling import ModelKeeper, Recorder

if TYPE_CHECKING:
    from fedsight.federated.link.caller import Place

#: A server that waits for nodes that a simulation does not have waits for ever.
SIMULATED_WAIT_SECONDS = 10.0


@dataclass(frozen=True)
class Where:
    """Where an app runs: on so many simulated nodes, or on those of the SuperLink at `place`.

    Its server begins once `nodes` of them are there. `rule` bounds its exchanges and its waits.
    """

    nodes: int
    place: Place | None = None
    rule: RoundPlan = field(default_factory=RoundPlan)

    @property
    def engine(self) -> str:
        """One of `plan.ENGINES`."""
        return SIMULATION if self.place is None else DEPLOYMENT


def run_app(
    app: FlowerApp,
    parts: Loaded,
    journal: Recorder,
    *,
    run_id: str,
    where: Where,
    steering: AppSteering | None = None,
    models: ModelKeeper | None = None,
) -> Outcome:
    """Run the app's server here, its clients on `where`'s nodes, and journal what can be seen.

    Ctrl-C ends the run as `interrupted`, a stop by `steering.control` as `stopped`, what the
    server raises as `failed`. Raises FedsightError, before anything is journaled, where the
    SuperLink cannot be reached.
    """
    steering = steering or AppSteering()
    logging.getLogger("flwr").setLevel(logging.WARNING)  # rounds are told by us
    with _grid(app, parts, where, steering) as grid:
        session = _session(app, grid, journal, run_id, where, steering, models)
        outcome = session.run(lambda: _serve(app, parts, grid, session, where))
        end(grid, outcome)
        return outcome


def _session(
    app: FlowerApp,
    grid: Grid,
    journal: Recorder,
    run_id: str,
    where: Where,
    steering: AppSteering,
    models: ModelKeeper | None,
) -> AppSession:
    return AppSession(
        Opening(app.name, where.engine, app.config),
        journal,
        run_id,
        steering,
        models=models,
        name=namer(grid),
        names=lambda: [node.name for node in grid.nodes()] if isinstance(grid, Fleet) else [],
        turn=grid.turn if isinstance(grid, Timed) else lambda _: None,
    )


def _serve(app: FlowerApp, parts: Loaded, grid: Grid, session: AppSession, where: Where) -> None:
    """What Flower's own process for servers does with a ServerApp."""
    wait = where.rule.wait_seconds
    if where.place is None:
        wait = min(wait, SIMULATED_WAIT_SECONDS)
    else:
        muster = Muster(grid, where.rule.silent_seconds, session.say)
        muster.wait_for(where.nodes, wait, session.control, session.progress)
    session.progress.begin("starting", f"the app's server, {app.server}")
    watched = watching(grid, session, timeout=where.rule.timeout_seconds, wait_seconds=wait)
    context = Context(
        run_id=grid.run.run_id,
        node_id=SUPERLINK_NODE_ID,
        node_config={},
        state=RecordDict(),
        run_config=dict(app.config),
    )
    parts.server(watched, context)


@contextmanager
def _grid(app: FlowerApp, parts: Loaded, where: Where, steering: AppSteering) -> Iterator[Grid]:
    if where.place is None:
        yield apart.grid(app, parts.client, where.nodes)
        return
    from fedsight.federated.link.grid import LinkGrid

    def waits(message: str) -> None:
        steering.progress.say(message)
        steering.on_wait(message)

    with LinkGrid(
        where.place,
        app.config,
        bundle=lambda nonce: bundled(app, nonce),
        wait_seconds=where.rule.wait_seconds,
        on_wait=waits,
        on_idle=steering.control.sleep,
    ) as grid:
        yield grid
