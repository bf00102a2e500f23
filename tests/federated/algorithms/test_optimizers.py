"""Server optimizers: by hand, beside Flower's own, and stopped between two rounds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from flwr.app import ArrayRecord
from flwr.serverapp import strategy as flower
from flwr.serverapp.strategy import Strategy

from fedsight.federated import codec
from fedsight.federated.algorithms import mean as mean_module
from fedsight.federated.algorithms import strategy as algorithm
from fedsight.federated.algorithms.optimizers import (
    FedAdagrad,
    FedAdam,
    FedAvg,
    FedAvgM,
    FedYogi,
    ServerOptimizer,
    stepped,
)
from fedsight.federated.algorithms.registry import DEFAULT_LR
from fedsight.federated.flat import Vector
from fedsight.federated.plan import ALGORITHMS, AlgorithmPlan
from fedsight.federated.runs.state import Stateful
from tests.federated.algorithms.replies import asked, next_model, reply, vector

#: Flower's strategy with the constants of ours.
FLOWERS: dict[str, Callable[[], Strategy]] = {
    "fedavg": lambda: flower.FedAvg(),
    "fedprox": lambda: flower.FedProx(proximal_mu=0.1),
    "fedavgm": lambda: flower.FedAvgM(server_learning_rate=1.0, server_momentum=0.9),
    "fedadam": lambda: flower.FedAdam(eta=0.03, beta_1=0.9, beta_2=0.99, tau=1e-3),
    "fedyogi": lambda: flower.FedYogi(eta=0.03, beta_1=0.9, beta_2=0.99, tau=1e-3),
    "fedadagrad": lambda: flower.FedAdagrad(eta=0.1, tau=1e-3),
}

OPTIMIZERS: list[ServerOptimizer] = [
    FedAvg(0.5),
    FedAvgM(0.5, 0.9),
    FedAdagrad(),
    FedAdam(),
    FedYogi(),
]


def rounds(
    strategy: Strategy, first: int = 1, last: int = 4, model: Vector | None = None
) -> Vector:
    """Three nodes that pull the model to points of their own, which depend on the round."""
    model = np.linspace(-1, 1, 40, dtype=np.float32) if model is None else model
    for round in range(first, last + 1):
        rng = np.random.default_rng(round)
        replies = [
            reply(message, model + rng.normal(size=40).astype(np.float32) / 8, 5 * at + 1)
            for at, message in enumerate(asked(strategy, model, round=round, nodes=3))
        ]
        arrays, _ = strategy.aggregate_train(round, replies)
        assert arrays is not None
        model = first_array(arrays)
    return model


def first_array(arrays: ArrayRecord) -> Vector:
    return next(iter(arrays.values())).numpy().astype(np.float32)


@pytest.mark.parametrize("name", FLOWERS)
def test_several_rounds_end_where_flowers_own_do(name: str) -> None:
    ours, theirs = rounds(algorithm(AlgorithmPlan(name))), rounds(FLOWERS[name]())
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-6)
    assert np.abs(ours - np.linspace(-1, 1, 40)).max() > 0.01


def test_flowers_fedprox_tells_nodes_its_mu_by_the_same_name() -> None:
    for strategy in (algorithm(AlgorithmPlan("fedprox")), FLOWERS["fedprox"]()):
        assert asked(strategy, vector(0))[0].content["config"]["proximal-mu"] == 0.1  # type: ignore[index]


def test_momentum_adds_up() -> None:
    optimizer, model = FedAvgM(lr=2.0, momentum=0.5), vector(0)
    model, moments = optimizer.apply(model, model + 1, optimizer.init(model), 1)
    assert (model.tolist(), moments["v"].tolist()) == ([2.0], [1.0])
    model, moments = optimizer.apply(model, model + 1, moments, 2)
    assert (model.tolist(), moments["v"].tolist()) == ([5.0], [1.5])


def test_adagrad_divides_by_all_that_came() -> None:
    optimizer, model = FedAdagrad(lr=1.0, tau=1.0), vector(0)
    model, moments = optimizer.apply(model, model + 3, optimizer.init(model), 1)
    assert (model.tolist(), moments["v"].tolist()) == ([0.75], [9.0])
    model, moments = optimizer.apply(model, model + 4, moments, 2)
    assert moments["v"].tolist() == [25.0]
    assert model.tolist() == pytest.approx([0.75 + 4 / 6])


def test_adam_and_yogi_differ_in_their_second_moment() -> None:
    model = vector(0)
    moments = {"m": vector(0), "v": vector(100)}
    _, adam = FedAdam(beta2=0.5).apply(model, model + 2, moments, 1)
    _, yogi = FedYogi(beta2=0.5).apply(model, model + 2, moments, 1)
    assert adam["v"].tolist() == [52.0]
    assert yogi["v"].tolist() == [98.0]
    assert adam["m"].tolist() == yogi["m"].tolist() == pytest.approx([0.2])


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda one: type(one).__name__)
def test_a_step_made_part_by_part_has_the_same_bits(optimizer: ServerOptimizer) -> None:
    rng = np.random.default_rng(3)
    size = mean_module.BLOCK + 1001
    model, mean, known = (rng.normal(size=size).astype(np.float32) for _ in range(3))
    moments = {name: np.abs(known) for name in optimizer.init(model)}
    given = [one.copy() for one in (model, *moments.values())]
    whole, remembered = optimizer.apply(model, mean.copy(), moments, 7)
    parts, after = stepped(optimizer, model, mean, moments, 7)
    assert whole.tobytes() == parts.tobytes()
    assert whole.dtype == np.float32
    assert {name: one.tobytes() for name, one in after.items()} == {
        name: one.tobytes() for name, one in remembered.items()
    }
    assert all(map(np.array_equal, given, (model, *moments.values())))


def test_moments_of_another_model_are_refused() -> None:
    with pytest.raises(ValueError, match="not of a model of 2 values"):
        stepped(FedAvgM(), vector(0, 0), vector(1, 1), {"v": vector(0)}, 1)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_what_is_stopped_and_loaded_again_goes_on_with_the_same_bits(name: str) -> None:
    whole = rounds(algorithm(AlgorithmPlan(name)))
    first, second = (algorithm(AlgorithmPlan(name)) for _ in range(2))
    half = rounds(first, last=2)
    assert isinstance(first, Stateful)
    assert isinstance(second, Stateful)
    second.load(first.state())
    assert rounds(second, 3, 4, half).tobytes() == whole.tobytes()


def test_every_algorithm_has_a_learning_rate_of_its_own() -> None:
    assert set(DEFAULT_LR) == set(ALGORITHMS)


def test_a_round_does_not_change_the_state_that_was_given_out() -> None:
    strategy = algorithm(AlgorithmPlan("fedadam"))
    rounds(strategy, last=1)
    assert isinstance(strategy, Stateful)
    given = strategy.state().arrays
    copies = {name: array.copy() for name, array in given.items()}
    assert set(given) == {"m", "v"}
    rounds(strategy, 2, 3)
    assert all(np.array_equal(copies[name], given[name]) for name in given)


def test_an_optimizer_steps_from_the_model_of_its_round() -> None:
    strategy = algorithm(AlgorithmPlan("fedavg", server_lr=0.5))
    for start in (0.0, 8.0):
        (message,) = asked(strategy, vector(start), nodes=1)
        assert next_model(strategy, [reply(message, vector(start + 2))]).tolist() == [start + 1]
    assert codec.unpack(message.content["arrays"]).tolist() == [8.0]  # type: ignore[arg-type]
