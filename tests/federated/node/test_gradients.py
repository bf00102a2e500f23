"""Terms added to gradients: the same training as with the term in the loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim.optimizer import _global_optimizer_pre_hooks

from fedsight.federated.flat import FlatModel, Vector
from fedsight.federated.node.assignment import Assignment
from fedsight.federated.node.client import LOCAL_RATE, LOCAL_STEPS, ROUND, Trainer
from fedsight.federated.node.gradients import AddedGradients
from fedsight.federated.plan import Plan
from fedsight.tasks import Partition, Recipe

STEPS = 5

#: Trains the model; `penalty` is what to add to the loss.
Train = Callable[[nn.Module, Callable[[], Tensor | float]], None]


def model() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def batches() -> list[Tensor]:
    rng = torch.Generator().manual_seed(2)
    return [torch.randn(6, 3, generator=rng) for _ in range(STEPS)]


def by(make: Callable[..., torch.optim.Optimizer], **named: Any) -> Train:
    def train(net: nn.Module, penalty: Callable[[], Tensor | float]) -> None:
        optimizer = make(net.parameters(), **named)
        for batch in batches():
            optimizer.zero_grad()
            (net(batch).square().mean() + penalty()).backward()
            optimizer.step()

    return train


def by_closure(net: nn.Module, penalty: Callable[[], Tensor | float]) -> None:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    for batch in batches():

        def closure(batch: Tensor = batch) -> Tensor:
            optimizer.zero_grad()
            loss: Tensor = net(batch).square().mean() + penalty()
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimizer.step(closure)  # type: ignore[arg-type]


def by_two_optimizers(net: nn.Module, penalty: Callable[[], Tensor | float]) -> None:
    assert isinstance(net, nn.Sequential)
    parts = [torch.optim.SGD(layer.parameters(), lr=0.1) for layer in net]
    for batch in batches():
        net.zero_grad(set_to_none=False)
        (net(batch).square().mean() + penalty()).backward()
        for optimizer in parts:
            optimizer.step()


def part_of_it(net: nn.Module, penalty: Callable[[], Tensor | float]) -> None:
    """The last layer is in the optimizer, but the loss does not depend on it."""
    assert isinstance(net, nn.Sequential)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, weight_decay=0.1)
    for batch in batches():
        optimizer.zero_grad()
        (net[0](batch).square().mean() + penalty()).backward()
        optimizer.step()


def frozen(net: nn.Module, penalty: Callable[[], Tensor | float]) -> None:
    assert isinstance(net, nn.Sequential)
    net[0].requires_grad_(False)
    by(torch.optim.SGD, lr=0.1)(net, penalty)


WAYS: dict[str, Train] = {
    "sgd": by(torch.optim.SGD, lr=0.1),
    "momentum": by(torch.optim.SGD, lr=0.1, momentum=0.9, dampening=0.1, weight_decay=0.01),
    "nesterov": by(torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True),
    "adam": by(torch.optim.Adam, lr=0.01),
    "closure": by_closure,
    "two optimizers": by_two_optimizers,
    "a part of it": part_of_it,
    "frozen": frozen,
}


def explicit(train: Train, term: Callable[[nn.Parameter, Tensor], Tensor]) -> Vector:
    """Train with a penalty in the loss: `term` of each parameter and its first value."""
    flat = FlatModel(model())
    first = [one.detach().clone() for one in flat.model.parameters()]

    def penalty() -> Tensor:
        pairs = zip(flat.model.parameters(), first, strict=True)
        return torch.stack([term(parameter, start) for parameter, start in pairs]).sum()

    train(flat.model, penalty)
    return flat.vector()


def added(train: Train, mu: float = 0.0, correction: Vector | None = None) -> Vector:
    flat = FlatModel(model())
    with AddedGradients(flat, Assignment(flat.vector(), 1, mu, correction)):
        train(flat.model, lambda: 0.0)
    return flat.vector()


@pytest.mark.parametrize("way", WAYS)
def test_the_proximal_term_is_as_if_it_stood_in_the_loss(way: str) -> None:
    mu = 0.7
    inside = explicit(WAYS[way], lambda one, start: mu / 2 * (one - start).square().sum())
    ours, plain = added(WAYS[way], mu), added(WAYS[way])
    np.testing.assert_allclose(ours, inside, rtol=1e-4, atol=1e-6)
    assert np.abs(ours - plain).max() > 1e-3


@pytest.mark.parametrize("way", [way for way in WAYS if way != "adam"])
def test_a_correction_is_as_if_the_loss_sloped_by_it(way: str) -> None:
    slope = 0.3
    correction = np.full(len(FlatModel(model())), slope, np.float32)
    inside = explicit(WAYS[way], lambda one, _: slope * one.sum())
    ours, plain = added(WAYS[way], correction=correction), added(WAYS[way])
    np.testing.assert_allclose(ours, inside, rtol=1e-4, atol=1e-6)
    assert np.abs(ours - plain).max() > 1e-3


def test_what_is_maximised_is_pulled_the_same_way() -> None:
    def upwards(net: nn.Module, penalty: Callable[[], Tensor | float]) -> None:
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1, maximize=True)
        for batch in batches():
            optimizer.zero_grad()
            (-net(batch).square().mean() - penalty()).backward()
            optimizer.step()

    inside = explicit(upwards, lambda one, start: 0.35 * (one - start).square().sum())
    np.testing.assert_allclose(added(upwards, 0.7), inside, rtol=1e-4, atol=1e-6)


def test_buffers_are_not_corrected() -> None:
    """Steps of length 0 leave every parameter, and batch norm's statistics move as always."""
    train = by(torch.optim.SGD, lr=0.0)
    correction = np.ones(len(FlatModel(model())), np.float32)
    assert np.array_equal(added(train, correction=correction), added(train))


def test_parameters_that_left_the_vector_are_still_corrected() -> None:
    flat = FlatModel(model())
    start = flat.vector()

    def moved(net: nn.Module, penalty: Callable[[], Tensor | float]) -> None:
        for parameter in net.parameters():
            parameter.data = parameter.data.clone()  # as `model.to("cuda")` does
        WAYS["sgd"](net, penalty)

    inside = explicit(WAYS["sgd"], lambda one, first: 0.35 * (one - first).square().sum())
    np.testing.assert_allclose(added(moved, 0.7), inside, rtol=1e-4, atol=1e-6)
    assert np.array_equal(flat.vector(), start)


def test_gradients_that_came_as_halves_stay_halves() -> None:
    flat = FlatModel(nn.Linear(2, 1, bias=False, dtype=torch.bfloat16))
    correction = np.ones(2, np.float32)
    start = flat.vector()
    with AddedGradients(flat, Assignment(start, 1, correction=correction)) as terms:
        optimizer = torch.optim.SGD(flat.model.parameters(), lr=0.5)
        optimizer.step()
    assert np.allclose(flat.vector(), start - 0.5, atol=0.01)
    assert terms.steps(moved=True) == (1, 0.5)


def test_other_models_are_left_alone_and_nothing_stays_registered() -> None:
    flat, other = FlatModel(nn.Linear(1, 1)), nn.Linear(1, 1)
    before = [one.detach().clone() for one in other.parameters()]
    with AddedGradients(flat, Assignment(flat.vector(), 1, 1.0, np.ones(2, np.float32))) as terms:
        torch.optim.Adam(other.parameters(), lr=1.0).step()
    assert terms.steps(moved=False) == (0, 0.0)
    assert all(map(torch.equal, before, other.parameters()))
    assert not _global_optimizer_pre_hooks


def test_a_correction_of_another_length_is_refused() -> None:
    flat = FlatModel(nn.Linear(1, 1))
    with pytest.raises(ValueError, match="model has 2 values, its correction 3"):
        AddedGradients(flat, Assignment(flat.vector(), 1, correction=np.ones(3, np.float32)))


@dataclass
class Slope:
    """Two weights at 1, the loss is their sum; nodes train by what `make` gives, `steps` times."""

    make: Callable[[nn.Module], list[torch.optim.Optimizer]]
    steps: int = 3

    def model(self, seed: int) -> nn.Module:
        net = nn.Linear(2, 1, bias=False)
        nn.init.ones_(net.weight)
        return net

    def data(self, partition: Partition) -> Any:
        return range(4)

    def held_out(self) -> Any:
        return None

    def train(
        self, model: nn.Module, data: Any, recipe: Recipe, rng: torch.Generator
    ) -> Mapping[str, float]:
        optimizers = self.make(model)
        for _ in range(self.steps):
            model.zero_grad()
            model(torch.ones(1, 2)).sum().backward()
            for optimizer in optimizers:
                optimizer.step()
        return {"loss": 0.0}

    def evaluate(self, model: nn.Module, data: Any) -> Mapping[str, float]:
        return {}


def trained(
    make: Callable[[nn.Module], list[torch.optim.Optimizer]], steps: int = 3, mu: float = 0.0
) -> tuple[Vector, dict[str, float | int]]:
    task = Slope(make, steps)
    trainer = Trainer(task, Plan(nodes=1), FlatModel(task.model(0)), 0)
    assert trainer.data_samples is None
    correction = None if mu else np.array([0.5, 0.5], np.float32)
    given = Assignment(np.ones(2, np.float32), 7, mu, correction)
    answer = trainer.train(given)
    assert trainer.data_samples == 4
    return answer


@pytest.mark.parametrize(
    ("named", "lengths"),
    [
        ({}, [1, 1, 1]),
        ({"momentum": 0.5}, [1, 1.5, 1.75]),
        ({"momentum": 0.5, "dampening": 0.5}, [1, 1, 1]),
        ({"momentum": 0.5, "nesterov": True}, [1.5, 1.75, 1.875]),
    ],
)
def test_a_correction_is_answered_with_how_far_a_gradient_of_one_moves(
    named: dict[str, Any], lengths: list[float]
) -> None:
    vector, figures = trained(lambda net: [torch.optim.SGD(net.parameters(), lr=0.5, **named)])
    assert figures[LOCAL_RATE] == pytest.approx(0.5 * sum(lengths))
    assert (figures[LOCAL_STEPS], figures[ROUND]) == (3, 7)
    # The gradient is 1 and the correction 0.5: the model has moved by 1.5 times that.
    assert vector.tolist() == pytest.approx([1 - 1.5 * float(figures[LOCAL_RATE])] * 2)


def test_mu_alone_needs_no_such_figures() -> None:
    _, figures = trained(lambda net: [torch.optim.AdamW(net.parameters())], mu=0.1)
    assert not {LOCAL_RATE, LOCAL_STEPS, ROUND} & set(figures)


def test_a_node_without_a_step_says_so() -> None:
    vector, figures = trained(lambda net: [torch.optim.SGD(net.parameters(), lr=0.5)], steps=0)
    assert vector.tolist() == [1.0, 1.0]
    assert (figures[LOCAL_STEPS], figures[LOCAL_RATE]) == (0, 0.0)


class ByHand:
    """Steps without torch's optimizers."""

    def __init__(self, net: nn.Module) -> None:
        self._net = net

    def step(self) -> None:
        with torch.no_grad():
            for one in self._net.parameters():
                one -= 1


@pytest.mark.parametrize("mu", [0.0, 0.1])
def test_training_without_an_optimizer_is_refused(mu: float) -> None:
    with pytest.raises(RuntimeError, match="by other means than a torch optimizer's step"):
        trained(lambda net: [ByHand(net)], mu=mu)  # type: ignore[list-item]


def test_scaffold_needs_sgd() -> None:
    with pytest.raises(RuntimeError, match=r"torch\.optim\.SGD, got Adam"):
        trained(lambda net: [torch.optim.Adam(net.parameters())])
    assert not _global_optimizer_pre_hooks


def test_scaffold_needs_one_learning_rate() -> None:
    flat = FlatModel(nn.Linear(1, 1))
    groups = [
        {"params": [one], "lr": lr}
        for one, lr in zip(flat.model.parameters(), (0.5, 0.25), strict=True)
    ]
    with AddedGradients(flat, Assignment(flat.vector(), 1, 0, np.ones(2, np.float32))) as terms:
        torch.optim.SGD(groups).step()
    with pytest.raises(RuntimeError, match=r"add up to 0\.25 for some and to 0\.5 for others"):
        terms.steps(moved=True)
