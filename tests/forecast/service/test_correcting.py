"""Intervals learn from what came later, and keep what they learned over a restart."""

from __future__ import annotations

import numpy as np
import pytest

from fedsight.forecast.service.correcting import Corrections
from fedsight.forecast.service.scoring import COUNT, INSIDE
from tests.forecast.service.made import Made, a_model, slots


def test_widths_between_scored_horizons_lie_on_a_line() -> None:
    found = Corrections(a_model().shape, (1, 11, 20))
    values = np.tile([-1.0, 0.0, 1.0], (20, 2, 1))
    learned = np.log([[1, 1], [4, 1], [4, 1]])
    told = found.told(learned, values)
    assert told[[0, 5, 10, 19], 0, 2] == pytest.approx([1, 2, 4, 4])
    assert told[:, 1] == pytest.approx(values[:, 1])
    assert found.told(None, values) is values


def test_an_interval_that_misses_grows_until_it_holds(made: Made) -> None:
    times = slots(290, ahead=200)
    made.add("n-1", times[:40])
    for end in range(41, 160):
        made.service.look()
        made.add("n-1", times[end - 1 : end])
    made.service.look()
    state = made.service.memory.nodes["n-1"]
    assert state.correction is not None
    learned = state.correction.copy()
    (sums,) = made.service.memory.sums(int(times[-1])).values()
    held = sums[..., INSIDE] / sums[..., COUNT]
    assert (held < 0.7).any()  # an untrained model
    assert (learned[held < 0.7] > 0).all()
    made.again()
    made.service.look()
    kept = made.service.memory.nodes["n-1"].correction
    assert kept is not None
    assert np.array_equal(kept, learned)


def test_a_new_node_begins_with_what_its_window_tells(made: Made) -> None:
    times = slots(290)
    made.add("long", times[:270])
    made.add("short", times[235:270])
    made.service.look()
    begun = made.service.memory.nodes["long"].correction
    assert begun is not None
    assert begun.shape == (8, 2)
    # An untrained model's own intervals are far too narrow for a wave.
    assert (begun[-1] > 0).all()
    assert made.service.memory.nodes["short"].correction is None
    (one,) = made.service.memory.nodes["long"].waiting
    wider = (one.told[-1, :, -1] - one.told[-1, :, 0]) / (one.said[-1, :, -1] - one.said[-1, :, 0])
    assert wider == pytest.approx(np.exp(begun[-1]))


def test_what_lies_in_a_gap_of_the_window_is_left_out(made: Made) -> None:
    times = slots(290)
    made.add("n-1", np.delete(times, slice(100, 140)))
    made.service.look()
    begun = made.service.memory.nodes["n-1"].correction
    assert begun is not None
    assert np.isfinite(begun).all()
