"""The LSTM: it recurs, its quantiles are in order, its shape travels."""

from __future__ import annotations

import msgspec
import pytest
import torch

from fedsight.errors import UsageError
from fedsight.forecast.model import Forecaster, ModelShape

SHAPE = ModelShape(("load",), horizon=4)


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_shuffling_a_sequence_changes_what_comes_out() -> None:
    model = Forecaster(SHAPE, seeded())
    inputs = torch.randn(3, 10, 1, generator=seeded(2))
    shuffled = inputs[:, torch.randperm(10, generator=seeded(3))]
    assert (model(inputs) - model(shuffled)).abs().max() > 1e-3


def test_the_gradient_reaches_the_first_row() -> None:
    inputs = torch.randn(3, 10, 1, generator=seeded(2)).requires_grad_()
    Forecaster(SHAPE, seeded())(inputs).sum().backward()
    assert inputs.grad is not None
    assert (inputs.grad[:, 0].abs() > 0).all()


def test_quantiles_are_in_order_for_several_metrics() -> None:
    shape = ModelShape(("load", "power"), horizon=7, layers=2, quantiles=(0.05, 0.5, 0.6, 0.95))
    found = Forecaster(shape, seeded())(torch.randn(5, 10, 2, generator=seeded()))
    assert found.shape == (5, 7, 2, 4)
    assert (found.diff(dim=-1) >= 0).all()


def test_one_seed_gives_the_same_weights() -> None:
    one, two = (Forecaster(SHAPE, seeded(4)).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_shape_travels_as_json() -> None:
    shape = ModelShape(("load", "power"), hidden=8, quantiles=(0.25, 0.5, 0.75))
    assert ModelShape.read(msgspec.json.decode(msgspec.json.encode(shape.described()))) == shape
    with pytest.raises(UsageError, match="no forecasting model's shape"):
        ModelShape.read({"metrics": ["load"]})


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"metrics": ()}, "name at least one"),
        ({"hidden": 0}, "hidden=0"),
        ({"quantiles": (0.1, 0.9)}, "0.5 among them"),
        ({"quantiles": (0.9, 0.5)}, "ascending"),
    ],
)
def test_a_shape_that_makes_no_sense_is_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ModelShape(**({"metrics": ("load",)} | wrong))  # type: ignore[arg-type]
