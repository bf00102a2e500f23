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
    times = slots(290)
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
