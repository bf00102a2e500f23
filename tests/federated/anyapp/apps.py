"""Small real Flower apps, written where a test wants them, and a journal in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fedsight.federated.anyapp.loading import loaded
from fedsight.federated.anyapp.project import read
from fedsight.federated.anyapp.running import Where, run_app
from fedsight.federated.anyapp.session import AppSteering
from fedsight.federated.runs.outcome import Outcome, RoundReport
from fedsight.signals import Batch, Event

PROJECT = """
[project]
name = "tried"
version = "1.0.0"
[tool.flwr.app]
publisher = "tests"
[tool.flwr.app.components]
{components}
[tool.flwr.app.config]
{config}
"""
COMPONENTS = 'serverapp = "server:app"\nclientapp = "client:app"'

#: Adds part + 1 to each weight; part + 1 samples. Counts in its state how often it was asked.
CLIENT = """
import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()

def part(context):
    return int(context.node_config["partition-id"])

@app.train()
def train(message, context):
    count = int(context.state["seen"]["count"]) if "seen" in context.state else 0
    context.state["seen"] = ConfigRecord({"count": count + 1})
    arrays = message.content["arrays"]
    found = ArrayRecord({name: arrays[name].__class__(arrays[name].numpy() + part(context) + 1)
                         for name in arrays})
    metrics = {"num-examples": part(context) + 1, "train_loss": float(part(context)),
               "asked": count + 1}
    return Message(RecordDict({"arrays": found, "metrics": MetricRecord(metrics)}),
                   reply_to=message)

@app.evaluate()
def evaluate(message, context):
    found = {"eval_loss": 1.0, "eval_acc": float(part(context))}
    metrics = {"num-examples": part(context) + 1, **found}
    return Message(RecordDict({"metrics": MetricRecord(metrics)}), reply_to=message)
"""

SERVER = """
import numpy as np
from flwr.app import ArrayRecord, Array
from flwr.serverapp import ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()

def model():
    return ArrayRecord({"weight": Array(np.zeros((2, 3), np.float32)),
                        "bias": Array(np.zeros(3))})

@app.main()
def main(grid, context):
    strategy = FedAvg()
    strategy.start(grid, model(), num_rounds=int(context.run_config["rounds"]))
"""

OBSERVED = SERVER.replace(
    "strategy = FedAvg()",
    "from fedsight.federated import Observed\n    strategy = Observed(FedAvg())",
)

OLD_CLIENT = """
import numpy as np
from flwr.client import NumPyClient
from flwr.clientapp import ClientApp

class Client(NumPyClient):
    def __init__(self, part):
        self.part = part

    def fit(self, parameters, config):
        return [one + self.part + 1 for one in parameters], self.part + 1, {"train_loss": 0.5}

    def evaluate(self, parameters, config):
        return 2.0, self.part + 1, {"accuracy": 0.25}

def client_fn(context):
    return Client(int(context.node_config["partition-id"])).to_client()

app = ClientApp(client_fn=client_fn)
"""

OLD_SERVER = """
import numpy as np
from flwr.common import ndarrays_to_parameters
from flwr.server import ServerAppComponents, ServerConfig
from flwr.server.strategy import FedAvg
from flwr.serverapp import ServerApp

def server_fn(context):
    start = ndarrays_to_parameters([np.zeros(3, np.float32)])
    return ServerAppComponents(
        strategy=FedAvg(initial_parameters=start),
        config=ServerConfig(num_rounds=int(context.run_config["rounds"])),
    )

app = ServerApp(server_fn=server_fn)
"""


def written(
    folder: Path,
    *,
    client: str = CLIENT,
    server: str = SERVER,
    components: str = COMPONENTS,
    config: str = "rounds = 2",
) -> Path:
    """An app in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(PROJECT.format(components=components, config=config))
    (folder / "client.py").write_text(client)
    (folder / "server.py").write_text(server)
    return folder


@dataclass
class Kept:
    """A journal in memory, and the rounds as they were told."""

    batches: list[Batch] = field(default_factory=list)
    rounds: list[RoundReport] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    def append(self, batch: Batch) -> int:
        self.batches.append(batch)
        return len(self.batches)

    def events(self, kind: str) -> list[Event]:
        return [one for batch in self.batches for one in batch.events if one.kind == kind]

    def figures(self, name: str, node: str | None = None) -> list[float]:
        """The values of one series, by round."""
        return [
            columns.value[at]
            for columns in (batch.samples for batch in self.batches)
            for at, which in enumerate(columns.index)
            if columns.series[which].name == name
            and columns.series[which].labels.get("node") == node
        ]


def ran(
    folder: Path,
    *,
    nodes: int = 3,
    sets: Sequence[str] = (),
    where: Where | None = None,
    on_round: Callable[[RoundReport], object] = lambda _: None,
    **more: object,
) -> tuple[Outcome, Kept]:
    """The app in `folder`, run on simulated nodes; how it ended and what was told of it."""
    kept = Kept()

    def told(report: RoundReport) -> None:
        kept.rounds.append(report)
        on_round(report)

    steering = AppSteering(on_round=told, on_doubt=kept.doubts.append)
    app = read(folder, sets)
    with loaded(app) as parts:
        outcome = run_app(
            app,
            parts,
            kept,
            run_id="r-1",
            where=where or Where(nodes),
            steering=steering,
            **more,  # type: ignore[arg-type]
        )
    return outcome, kept
