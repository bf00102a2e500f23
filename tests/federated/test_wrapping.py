import numpy as np
import pytest
from flwr.serverapp.strategy import (
    DifferentialPrivacyServerSideFixedClipping,
    FedAdam,
    FedMedian,
    Krum,
    Strategy,
)
from flwr.serverapp.strategy import FedAvg as FlowerFedAvg

from fedsight.federated import codec
from fedsight.federated.algorithms import strategy as algorithm
from fedsight.federated.engines.local_grid import LocalGrid, sites
from fedsight.federated.flat import FlatModel
from fedsight.federated.node.client import Trainer, client_app
from fedsight.federated.observation import RoundRecord
from fedsight.federated.observed import Observed
from fedsight.federated.plan import AlgorithmPlan, Plan
from fedsight.federated.selection import Chosen, Selected
from fedsight.federated.wrapping import Checked
from tests.federated.toy import Toy


def grid_of(task: Toy, nodes: int) -> LocalGrid:
    plan = Plan(nodes=nodes)
    model = FlatModel(task.model(0))
    trainers = [Trainer(task, plan, model, at) for at in range(nodes)]
    app = client_app(lambda context: trainers[int(context.node_config["partition-id"])])
    return LocalGrid(app, sites(nodes, {}))


def run(strategy: Strategy, task: Toy, nodes: int, rounds: int = 1) -> list[float]:
    start = codec.pack(np.zeros(task.width, dtype=np.float32))
    result = strategy.start(grid_of(task, nodes), start, num_rounds=rounds)
    return [float(value) for value in codec.unpack(result.arrays)]


def test_federated_averaging_of_toy_nodes() -> None:
    # Node k adds k + 1 and weighs k + 1: (1 + 4 + 9) / 6.
    assert run(Checked(algorithm(AlgorithmPlan())), Toy(), 3) == pytest.approx([14 / 6] * 2)


@pytest.mark.parametrize("fault", [float("nan"), float("inf"), -float("inf")])
def test_an_update_that_is_not_finite_is_not_averaged_in(fault: float) -> None:
    seen: list[RoundRecord] = []
    strategy = Checked(Observed(algorithm(AlgorithmPlan()), "r", seen.append))
    assert run(strategy, Toy({1: fault}), 3) == pytest.approx([(1 + 9) / 4] * 2)
    assert [node.status for node in seen[0].nodes] == ["trained", "rejected", "trained"]
    # What it measured and sent was measured and sent all the same.
    assert [node.samples for node in seen[0].nodes] == [1, 2, 3]
    assert len({node.payload_up_bytes for node in seen[0].nodes}) == 1
    assert all(node.train_seconds is not None for node in seen[0].nodes)
    reason = seen[0].nodes[1].reason
    assert reason is not None
    assert "of 2" in reason


def test_an_update_so_large_that_the_mean_would_overflow_is_not_averaged_in() -> None:
    seen: list[RoundRecord] = []
    strategy = Checked(Observed(algorithm(AlgorithmPlan()), "r", seen.append))
    assert run(strategy, Toy({2: 3e38}), 3) == pytest.approx([(1 + 4) / 3] * 2)
    assert seen[0].nodes[2].reason == "update is too large to be averaged: values up to 3e+38"


def test_values_far_beyond_any_models_still_pass() -> None:
    assert run(Checked(algorithm(AlgorithmPlan())), Toy({0: 1e18}), 1) == pytest.approx([1e18] * 2)


def test_an_update_of_another_shape_is_refused_by_name() -> None:
    seen: list[RoundRecord] = []
    grid = grid_of(Toy(), 2)
    odd = Toy(width=3)
    odd_trainer = Trainer(odd, Plan(nodes=2), FlatModel(odd.model(0)), 1)
    inner = grid._app._registered_funcs["train.default"]

    def train(message, context):  # type: ignore[no-untyped-def]
        reply = inner(message, context)
        if context.node_config["partition-id"] == 1:
            reply.content[codec.ARRAYS] = codec.pack(odd_trainer._model.vector())
        return reply

    grid._app._registered_funcs["train.default"] = train
    strategy = Checked(Observed(algorithm(AlgorithmPlan()), "r", seen.append, name=grid.name))
    result = strategy.start(grid, codec.pack(np.zeros(2, dtype=np.float32)), num_rounds=1)
    assert codec.unpack(result.arrays).tolist() == [1.0, 1.0]
    assert seen[0].nodes[1].node == "client-1"
    assert seen[0].nodes[1].reason == (
        "update is float32 of shape (3,), the model is float32 of shape (2,)"
    )


def test_only_the_selected_nodes_train() -> None:
    seen: list[RoundRecord] = []
    chosen = Selected(algorithm(AlgorithmPlan()), Chosen(lambda round_, nodes: [nodes[round_ - 1]]))
    run(Observed(chosen, "r", seen.append), Toy(), 3, rounds=3)
    assert [[node.samples for node in record.nodes] for record in seen] == [[1], [2], [3]]


NODES = {"min_train_nodes": 1, "min_available_nodes": 1, "fraction_evaluate": 0.0}


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        (FlowerFedAvg(**NODES), 14 / 6),  # type: ignore[arg-type]
        (FedMedian(**NODES), 2.0),  # type: ignore[arg-type]
        (Krum(num_malicious_nodes=0, **NODES), None),  # type: ignore[arg-type]
        (FedAdam(eta=0.1, **NODES), None),  # type: ignore[arg-type]
        (
            DifferentialPrivacyServerSideFixedClipping(
                FlowerFedAvg(**NODES),  # type: ignore[arg-type]
                noise_multiplier=0.0,
                clipping_norm=100.0,
                num_sampled_clients=3,
            ),
            14 / 6,
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_wrappers_stack_around_flowers_own_strategies(
    inner: Strategy, expected: float | None
) -> None:
    seen: list[RoundRecord] = []
    everyone = Selected(inner, Chosen(lambda _, nodes: nodes))
    values = run(Checked(Observed(everyone, "r", seen.append)), Toy(), 3)
    assert [node.status for node in seen[0].nodes] == ["trained"] * 3
    assert values[0] > 0
    if expected is not None:
        assert values == pytest.approx([expected] * 2, rel=1e-5)
