"""A peer: Flower's own simulation, on Ray, with Flower's own FedAvg.

Runs the same ClientApp on the same task as fedsight does, on two Ray CPUs, one for each client
that trains. Started by `peers.Peer`, whose environment holds what Flower and Ray read when they
are imported (`fedsight.federated` sets it).
"""

from __future__ import annotations

import logging
import sys
import tempfile
import warnings
from collections.abc import Callable

from flwr.app import ArrayRecord, Context, MetricRecord
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation

from benchmarks.peers import NoMoreTurnsError, Turns, plan_of
from benchmarks.plain import first_weights
from benchmarks.ray_client import app_of
from fedsight.federated import codec
from fedsight.federated.flat import FlatModel
from fedsight.federated.plan import Plan
from fedsight.tasks import load

RAY_CPUS = 2
_ENDLESS = 1_000_000_000


def main() -> None:
    """Train until the parent wants no more rounds."""
    warnings.simplefilter("ignore")
    logging.getLogger("flwr").setLevel(logging.ERROR)
    turns, plan = Turns(), plan_of(sys.argv)
    with tempfile.TemporaryDirectory(prefix="fb-") as folder:
        run_simulation(
            _server_app(plan, turns),
            app_of(plan),
            plan.nodes,
            backend_config={
                "init_args": {"num_cpus": RAY_CPUS, "_temp_dir": folder},
                "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
            },
        )


def _server_app(plan: Plan, turns: Turns) -> ServerApp:
    app = ServerApp()
    task = load(plan.task)
    model = FlatModel(task.model(first_weights(plan)))
    held_out = task.held_out()
    losses: list[float] = []

    def loss(arrays: ArrayRecord) -> float:
        model.load(codec.unpack(arrays))
        return task.evaluate(model.model, held_out)["loss"]

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        initial = codec.pack(model.vector())
        last = initial

        def watch(server_round: int, arrays: ArrayRecord) -> MetricRecord | None:
            nonlocal last
            last = arrays
            turns.round_ended() if server_round else turns.begin()
            return None

        try:
            _start(plan, grid, initial, watch)
        except NoMoreTurnsError:
            losses.extend((loss(initial), loss(last)))
            turns.farewell(*losses)

    return app


def _start(
    plan: Plan,
    grid: Grid,
    initial: ArrayRecord,
    watch: Callable[[int, ArrayRecord], MetricRecord | None],
) -> None:
    strategy = FedAvg(
        fraction_train=plan.fraction,
        fraction_evaluate=0.0,
        min_train_nodes=1,
        min_available_nodes=plan.nodes,
    )
    strategy.start(grid, initial, num_rounds=_ENDLESS, evaluate_fn=watch)


if __name__ == "__main__":
    main()
