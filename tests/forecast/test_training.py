"""Training: what can be learned is learned, reproducibly; fine-tuning never makes a node worse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from fedsight.errors import UsageError
from fedsight.forecast.model import Forecaster, ModelShape
from fedsight.forecast.processor import NodeData, prepared
from fedsight.forecast.scale import Normalised
from fedsight.forecast.sequences import Examples, Split
from fedsight.forecast.training import (
    Schedule,
    evaluate,
    median_error,
    of_round,
    own_model,
    personal,
    pinball,
    train,
)

SECOND = 10**9
SHAPE = ModelShape(("load",), hidden=16, horizon=1)
SCHEDULE = Schedule(epochs=6, share=1.0)


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def data(values: np.ndarray, shape: ModelShape = SHAPE) -> NodeData:
    time = pd.Index(np.arange(len(values), dtype=np.int64) * 3 * SECOND, name="time")
    return prepared(pd.DataFrame({"load": values}, index=time), shape, Split(70, 30))


def echo(lag: int) -> np.ndarray:
    """Noise of which each value returns `lag` rows later, with a little more noise."""
    rng = np.random.default_rng(3)
    values = list(rng.choice([-1.0, 1.0], lag))
    while len(values) < 1500:
        values.append(values[-lag] if rng.random() < 0.95 else -values[-lag])
    return np.array(values) + 0.05 * rng.standard_normal(len(values))


def test_a_signal_of_seven_rows_ago_is_learned() -> None:
    """Rows are noise, and the next one is what was seven rows before it: only who recurs knows."""
    inputs = torch.randn(2048, 10, 1, generator=seeded())
    flat = np.zeros((2048, 1))
    windows = Normalised(inputs.numpy(), flat, flat + 1)
    made = Examples(inputs, inputs[:, 3:4], windows, np.arange(2048))
    model = Forecaster(SHAPE, seeded())
    before = evaluate(model, made)
    train(model, made, seeded(2), Schedule(epochs=16, share=1.0))
    assert evaluate(model, made) < 0.2 * before


def test_the_same_seed_trains_the_same_bits() -> None:
    one = data(echo(3))
    trained = [Forecaster(SHAPE, seeded()) for _ in range(2)]
    losses = [train(model, one.training, seeded(2)) for model in trained]
    assert losses[0] == losses[1]
    states = [model.state_dict() for model in trained]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_fine_tuning_is_kept_only_where_validation_is_better(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Both are centred alike, so that the lag alone tells them apart.
    monkeypatch.setattr("fedsight.forecast.scale.LEVELS", (30,))
    one, other = data(echo(3)), data(echo(4))
    model = Forecaster(SHAPE, seeded())
    train(model, one.training, seeded(2), SCHEDULE)
    # What is learned from another node's rows does not help this one.
    assert personal(model, other.training, one.validation, seeded(3), turns=1) is model
    tuned = personal(model, other.training, other.validation, seeded(3))
    assert evaluate(tuned, other.validation) < evaluate(model, other.validation)


def test_a_node_keeps_what_is_best_on_its_validation_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the shared model, of that fine-tuned, and of one that knows the node alone."""
    monkeypatch.setattr("fedsight.forecast.scale.LEVELS", (30,))
    one, other = data(echo(3)), data(echo(4))
    model = Forecaster(SHAPE, seeded())
    train(model, one.training, seeded(2), SCHEDULE)
    least = Schedule(epochs=1, lr=1e-9, last_lr=1e-9)
    # Hardly tuned, the shared model of another node's rows is no match for one of the node's own.
    found = own_model(model, other.training, other.validation, seeded(3), least)
    errors = [median_error(each, other.validation) for each in (model, found)]
    assert errors[1] < 0.8 * errors[0]
    # Whatever is learned, on the validation part nothing is kept that is worse.
    kept = own_model(model, other.training, one.validation, seeded(3), least)
    assert median_error(kept, one.validation) <= median_error(model, one.validation)


def test_several_metrics_are_learned_together() -> None:
    shape = ModelShape(("load", "power"), hidden=8, horizon=3)
    values = np.sin(np.arange(400) / 4)
    time = pd.Index(np.arange(400, dtype=np.int64) * SECOND, name="time")
    table = pd.DataFrame({"power": 30 + 5 * values, "load": values}, index=time)
    one = prepared(table, shape, Split(70, 30))
    model = Forecaster(shape, seeded())
    before = evaluate(model, one.validation)
    train(model, one.training, seeded(2), Schedule(epochs=40, share=1.0))
    assert evaluate(model, one.validation) < 0.5 * before


def test_the_pinball_loss_is_the_one_of_the_paper() -> None:
    levels = torch.tensor((0.1, 0.5, 0.9))
    outputs = torch.tensor([1.0, 2.0, 4.0]).view(1, 1, 1, 3)
    # 3.0 lies above the first two and below the last: 0.1 * 2 + 0.5 * 1 + 0.1 * 1, of three.
    loss = pinball(outputs, torch.full((1, 1, 1), 3.0), levels)
    assert float(loss) == pytest.approx((0.2 + 0.5 + 0.1) / 3)


def test_a_schedule_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(UsageError, match="share=0"):
        Schedule(share=0)
    with pytest.raises(UsageError, match="last_lr at most lr"):
        Schedule(lr=1e-4)


def test_a_round_has_one_rate_and_rounds_fall_in_halves() -> None:
    rounds = [of_round(done, 150) for done in range(150)]
    assert all(one.lr == one.last_lr and one.epochs == 1 for one in rounds)
    rates = [one.lr for one in rounds]
    assert (rates[0], rates[75]) == (1e-2, 3e-2)
    assert rates[:75] == sorted(rates[:75], reverse=True)
    assert rates[75:] == sorted(rates[75:], reverse=True)
    assert {one.eps for one in rounds[:75]} == {1e-8}
    assert {one.eps for one in rounds[75:]} == {3e-3}
    assert of_round(0, 1).lr == 1e-2


def test_a_weight_whose_gradients_are_small_hardly_moves_beside_eps() -> None:
    one = data(echo(3))
    moved = []
    for eps in (1e-8, 1.0):
        model = Forecaster(SHAPE, seeded())
        before = model.head.bias.detach().clone()
        train(model, one.training, seeded(2), Schedule(eps=eps))
        moved.append(float((model.head.bias.detach() - before).abs().sum()))
    assert moved[1] < 0.1 * moved[0]
    with pytest.raises(UsageError, match="eps=0"):
        Schedule(eps=0)
