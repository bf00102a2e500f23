"""What the server does: Flower's FedAvg, nothing else.

With two more lines the rounds get deadlines, statuses of nodes, and their models kept:

    from fedsight.federated import Observed
    strategy = Observed(strategy)
"""

from __future__ import annotations

from flwr.app import ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

from averages import model

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Train and tell."""
    strategy = FedAvg()
    result = strategy.start(
        grid,
        ArrayRecord(model.initial()),
        num_rounds=int(context.run_config["num-server-rounds"]),
    )
    weights, _ = result.arrays.to_numpy_ndarrays()
    print("largest weight:", round(float(abs(weights).max()), 3))
