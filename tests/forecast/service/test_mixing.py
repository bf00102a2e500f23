"""What is told is the mixture of the tables, with weights of the node's own."""

from __future__ import annotations

import numpy as np
import pytest

from fedsight.forecast.scale import Scale
from fedsight.forecast.service.looking import Seen
from fedsight.forecast.service.predictor import Personal
from tests.forecast.service.made import Made, a_model, rows, slots

SCALE = Scale(np.array([50.0, 100.0]), np.array([7.0, 14.0]))


def looked(made: Made, node: str = "n-1") -> Seen:
    made.service.look()
    return made.service.standing.nodes[node]


def test_a_short_window_tells_nothing_and_the_model_foresees_alone(made: Made) -> None:
    made.add("n-1", slots(60))
    found = looked(made)
    assert (found.method, found.share) == ("model", None)


def test_weights_are_those_that_were_best_for_the_windows_own_rows(made: Made) -> None:
    times = slots(290)
    made.add("n-1", times)
    found = looked(made)
    assert found.method == "mixture"
    assert found.share is not None
    assert found.share.shape == (20, 2)
    assert ((found.share >= 0) & (found.share <= 1)).all()
    # An untrained model is noise about the median of a wave: less than all of it is best.
    assert (found.share < 1).any()


def test_a_metric_without_enough_that_came_is_the_models(made: Made) -> None:
    times = slots(100)
    made.add("n-1", times)
    share = looked(made).share
    assert share is not None
    assert (np.diff(share[:5], axis=0) == 0).all()  # one weight for steps 1 to 5


def test_weights_of_the_nodes_own_validation_count_first(made: Made) -> None:
    times = slots(290)
    only_median = Personal(a_model(seed=1).model, SCALE, np.zeros((20, 2)))
    made.versions.now = a_model(personal={"n-1": only_median})
    made.add("n-1", times)
    made.add("n-2", times)
    found = looked(made)
    assert found.method == "baseline"
    assert found.told is not None
    level = rows(times).iloc[-30:].median().to_numpy()
    assert found.told[..., 1] == pytest.approx(np.tile(level, (20, 1)))
    assert (np.diff(found.told, axis=-1) > 0).any()
    assert looked(made, "n-2").share is not only_median.share


def test_what_foresees_follows_from_the_shares_of_what_changes() -> None:
    constant = Scale(np.array([50.0, 100.0]), np.array([7.0, 0.0]))
    model, level, half = np.ones((20, 2)), np.zeros((20, 2)), np.full((20, 2), 0.5)
    ways = [Seen("n", scale=SCALE, share=each).method for each in (None, model, half, level)]
    assert ways == ["model", "model", "mixture", "baseline"]
    assert Seen("n", scale=constant, share=np.stack([np.zeros(20), np.ones(20)], 1)).method == (
        "baseline"
    )


def test_they_are_chosen_anew_after_a_hundred_rows(made: Made) -> None:
    times = slots(290)
    made.add("n-1", times[:160])
    first = looked(made).share
    made.add("n-1", times[160:170])
    assert looked(made).share is first
    made.add("n-1", times[170:265])
    assert looked(made).share is not first
