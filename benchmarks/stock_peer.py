"""A peer: Flower as it is shipped: its SuperLink, its SuperNodes, its FedAvg over its HttpGrid.

Started by `peers.Peer`. Only what needs a network or takes a package manager is switched off. The
run is submitted as ours are, so that its ServerApp is this process; from then on all is Flower's.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from flwr.app import ArrayRecord, MetricRecord
from flwr.serverapp.strategy import FedAvg
from flwr.supercore.task_identity import TaskIdentity
from flwr.superlink.grid.http_grid import HttpGrid

from benchmarks.machine import ROOT
from benchmarks.peers import NoMoreTurnsError, PeerError, Turns, plan_of
from benchmarks.tiny import VALUES
from fedsight.config import LOOPBACK
from fedsight.door.serving import listening
from fedsight.federated.link.address import Address
from fedsight.federated.link.caller import Caller, Place
from fedsight.federated.link.fab import CLIENT_APP
from fedsight.federated.link.submission import Heartbeats, submit
from fedsight.federated.node.allowed import TASKS_VARIABLE
from fedsight.federated.plan import Plan

#: The task that is Flower's own kind of app; all others are fedsight's ClientApp.
TINY, TINY_APP = "benchmarks.sized:TINY", "benchmarks.tiny:app"
START_SECONDS = 120.0
LOOK_SECONDS = 0.2
_ENDLESS = 1_000_000_000


def main() -> None:
    """Train until the parent wants no more rounds."""
    logging.getLogger("flwr").setLevel(logging.ERROR)
    turns, plan = Turns(), plan_of(sys.argv)
    os.environ[TASKS_VARIABLE] = plan.task
    with ExitStack() as open_:
        folder = Path(open_.enter_context(tempfile.TemporaryDirectory(prefix="fb-")))
        address = Address(LOOPBACK, _free_port())
        own = ["--host", LOOPBACK, "--port", str(address.port), "--isolation", "process"]
        open_.enter_context(_running(folder, "flower-superlink", *own))
        for part in range(plan.nodes):
            config = f"partition-id={part} num-partitions={plan.nodes}"
            own = ["--host", LOOPBACK, "--port", str(_free_port()), "--node-config", config]
            supernode = ("flower-supernode", "--superlink", str(address), *own)
            open_.enter_context(_running(folder, *supernode))
        grid = _grid(address, plan, open_)
        try:
            _train(plan, grid, turns)
        except NoMoreTurnsError:
            return


def _free_port() -> int:
    with listening(LOOPBACK, 0) as free:
        return int(free.getsockname()[1])


@contextmanager
def _running(folder: Path, command: str, *flags: str) -> Iterator[None]:
    """One of Flower's commands, until the end of the block."""
    path = Path(sys.executable).with_name(command)
    environment = {
        **os.environ,
        "PATH": f"{path.parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONPATH": str(ROOT),
        "FLWR_HOME": str(folder),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "OMP_NUM_THREADS": "1",
    }
    process = subprocess.Popen(
        [str(path), "--insecure", *flags], env=environment, stdout=2, stderr=2
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


def _grid(address: Address, plan: Plan, open_: ExitStack) -> HttpGrid:
    """The grid of a run, once all nodes are there."""
    app = TINY_APP if plan.task == TINY else CLIENT_APP
    caller = Caller(Place(address), wait_seconds=START_SECONDS)
    submission = caller.outlasting(lambda: submit(caller, plan.config(), app))
    open_.callback(Heartbeats(caller).start().stop)
    TaskIdentity.run_id, TaskIdentity.node_id = submission.run.run_id, 1
    TaskIdentity.task_id = submission.task_id
    grid = HttpGrid(str(address), True, token=submission.token)
    grid.set_run(submission.run)
    open_.callback(grid.close)
    deadline = time.monotonic() + START_SECONDS
    while len(list(grid.get_node_ids())) < plan.nodes:
        if time.monotonic() > deadline:
            raise PeerError(f"not all of {plan.nodes} SuperNodes came in {START_SECONDS:g} s")
        time.sleep(LOOK_SECONDS)
    return grid


def _train(plan: Plan, grid: HttpGrid, turns: Turns) -> None:
    arrays, evaluate = _server_side(plan)

    def watch(server_round: int, now: ArrayRecord) -> MetricRecord | None:
        if server_round == 0:
            turns.begin()
            return None
        evaluate(now)
        turns.round_ended()
        return None

    strategy = FedAvg(fraction_evaluate=0.0, min_train_nodes=1, min_available_nodes=plan.nodes)
    strategy.start(grid, arrays, num_rounds=_ENDLESS, evaluate_fn=watch)


def _server_side(plan: Plan) -> tuple[ArrayRecord, Callable[[ArrayRecord], object]]:
    """The initial model, and the server's evaluation of one."""
    if plan.task == TINY:
        return ArrayRecord([np.zeros(VALUES, np.float32)]), lambda _: None
    import torch

    from benchmarks.plain import first_weights
    from fedsight.federated import codec
    from fedsight.federated.flat import FlatModel
    from fedsight.tasks import load

    torch.set_num_threads(1)
    task = load(plan.task)
    model, held_out = FlatModel(task.model(first_weights(plan))), task.held_out()

    def evaluate(arrays: ArrayRecord) -> None:
        model.load(codec.unpack(arrays))
        task.evaluate(model.model, held_out)

    return codec.pack(model.vector()), evaluate


if __name__ == "__main__":
    main()
