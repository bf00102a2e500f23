import math
from typing import Any

import numpy as np
from flwr.app import Context, RecordDict
from flwr.serverapp.strategy import Result

from fedsight.federated import codec
from fedsight.federated.aggregation import FedAvg
from fedsight.federated.client import client_app
from fedsight.federated.flat import FlatModel
from fedsight.federated.plan import Plan
from fedsight.federated.server import server_app
from fedsight.federated.simulation import LocalGrid, sites
from fedsight.federated.wrapping import Wrapper
from tests.federated.toy import Toy


class Started(Wrapper):
    """Notes with what it was started and trains nothing."""

    def __init__(self) -> None:
        super().__init__(FedAvg())
        self.named: dict[str, Any] = {}

    def start(self, *_: Any, **named: Any) -> Result:
        self.named = named
        result = Result()
        result.arrays = codec.pack(np.zeros(2, dtype=np.float32))
        return result


def test_a_run_has_the_plans_rounds_and_waits_for_a_turn_however_long() -> None:
    task, strategy, found = Toy(), Started(), list[Result]()
    app = server_app(task, FlatModel(task.model(0)), strategy, found.append)
    grid = LocalGrid(client_app(lambda _: None), sites(2, {}))  # type: ignore[arg-type, return-value]
    app(grid, Context(1, 1, {}, RecordDict(), Plan(rounds=7).config()))
    assert len(found) == 1
    assert (strategy.named["num_rounds"], strategy.named["timeout"]) == (7, math.inf)
