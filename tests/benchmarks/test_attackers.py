from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from benchmarks.attackers import (
    FLIPPED,
    LABEL_FLIP,
    LABEL_NOISE,
    LITTLE,
    LITTLE_APART,
    NONE,
    SCALED,
    SIGN_FLIP,
    Attacked,
)
from benchmarks.attacks import Row, Run
from fedsight.tasks import Partition, Recipe
from fedsight.tasks.mnist import MNIST

ATTACKERS = frozenset({2})
RECIPE = Recipe(epochs=1)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small batches on several threads wait for one another."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def parts() -> list[Partition]:
    return [Partition(index, 100, "iid", seed=1) for index in range(3)]


def updates(attack: str) -> list[torch.Tensor]:
    """What three nodes send, of which the last attacks."""
    task = Attacked(attack, ATTACKERS, 1)
    found = []
    for part in parts():
        model = task.model(3)
        start = torch.nn.utils.parameters_to_vector(model.parameters()).detach().clone()
        task.train(model, task.data(part), RECIPE, torch.Generator().manual_seed(part.index))
        found.append(torch.nn.utils.parameters_to_vector(model.parameters()).detach() - start)
    return found


@pytest.mark.parametrize("attack", [LABEL_FLIP, LABEL_NOISE])
def test_some_labels_of_the_attackers_are_wrong_and_no_others(attack: str) -> None:
    task = Attacked(attack, ATTACKERS, 1)
    for part in parts():
        wrong = task.data(part).data.labels != MNIST.data(part).labels
        expected = FLIPPED if part.index in ATTACKERS else 0.0
        assert float(wrong.float().mean()) == pytest.approx(expected, abs=0.02)


def test_updates_are_changed_as_the_attack_says() -> None:
    honest = updates(NONE)
    assert torch.allclose(updates(SIGN_FLIP)[2], -honest[2], atol=1e-6)
    assert torch.allclose(updates(SCALED)[2], 5 * honest[2], atol=1e-5)
    known = torch.stack(honest[:2])
    hidden = known.mean(0) - 1.5 * known.std(0)
    assert torch.allclose(updates(LITTLE)[2], hidden, atol=1e-6)
    away = (updates(LITTLE_APART)[2] - hidden) / known.std(0).clamp(min=1e-12)
    assert float(away[known.std(0) > 0].std()) == pytest.approx(0.3, abs=0.02)
    assert all(torch.equal(a, b) for a, b in zip(updates(SCALED)[:2], honest[:2], strict=True))


def test_precision_and_recall_are_of_all_seeds() -> None:
    runs = [Run({8: 2, 1: 3}, 0.9), Run({8: 4, 9: 6}, 0.7)]
    row = Row.of(runs, frozenset({8, 9}))
    assert (row.named_rightly, row.named_wrongly) == (3, 1)
    assert (row.precision, row.recall) == (0.75, 0.75)
    assert row.rounds == 4.0
    assert row.accuracy == pytest.approx(0.8)
    none = Row.of([Run({}, None)], frozenset())
    assert none.precision is none.recall is none.rounds is none.accuracy is None
    assert np.isfinite(row.precision or np.nan)
