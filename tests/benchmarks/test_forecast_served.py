"""What is measured as served is what the forecaster serves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.forecast_learning import foreseen
from benchmarks.forecast_nodes import CHOSEN, SHAPE, Node, nodes
from benchmarks.forecast_served import served
from fedsight.forecast import baselines, mixture
from fedsight.forecast.model import Forecaster


def model(seed: int) -> Forecaster:
    return Forecaster(SHAPE, torch.Generator().manual_seed(seed)).eval()


@pytest.fixture
def node(tmp_path: Path) -> Node:
    """A walk with noise, of which few origins are foreseen."""
    rng = np.random.default_rng(0)
    values = 50 + rng.standard_normal(1200).cumsum() + rng.standard_normal(1200)
    lines = [f"{at * 300_000_000_000},{value:.4f}" for at, value in enumerate(values)]
    path = tmp_path / "ec2_cpu_utilization_x.csv"
    path.write_text("time_ns,value\n" + "\n".join(lines), encoding="utf-8")
    (found,) = nodes(CHOSEN, tmp_path, False)
    return replace(found, at=found.at[:12])


def test_a_node_with_a_model_of_its_own_gets_its_mixture(node: Node) -> None:
    own = model(1)
    (told,) = served([node], model(0), [own])
    assert told.shape == (12, 100, 3)
    before = node.data.validation.origins
    (rows,) = node.data.scale.levels(30)
    flat = [baselines.moving_median(node.series, at, 100, int(rows)) for at in (before, node.at)]
    share = mixture.weights(foreseen(own, node.data, before)[..., 1], flat[0], node.came(before))
    wanted = mixture.mixed(foreseen(own, node.data, node.at)[..., 1], flat[1], share)
    assert told[..., 1] == pytest.approx(wanted, rel=1e-5)


def test_a_node_without_one_is_foreseen_from_its_window_alone(node: Node) -> None:
    """What lies further back than 300 rows, or ahead, changes nothing."""
    (told,) = served([node], model(0), [shared := model(0)])
    (same,) = served([node], shared, [shared])
    assert not np.allclose(told, same)  # another object is a model of the node's own
    far = node.data.values.copy()
    far[: node.at[0] + 1 - 300] += 1000
    far[node.at[-1] + 1 :] -= 1000
    moved = replace(node, data=replace(node.data, values=far))
    (again,) = served([moved], shared, [shared])
    assert np.array_equal(again, same)


def test_of_a_window_of_one_value_that_value_counts(node: Node) -> None:
    still = node.data.values.copy()
    still[node.at[0] - 400 : node.at[0] + 5] = 7.0
    moved = replace(node, data=replace(node.data, values=still))
    shared = model(0)
    (told,) = served([moved], shared, [shared])
    assert (told[:5] == 7.0).all()
    assert (told[5:] != 7.0).any()
