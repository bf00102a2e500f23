"""Time is parted so that each slice fits, none is lost and none comes twice."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fedsight.collector.export.slices import HOUR, MINUTE, Counts, slices


def counts_of(times: list[int]) -> Counts:
    def counts(start: int, end: int, step: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        inside = np.array([t for t in times if start <= t < end], np.int64)
        windows, held = np.unique(inside // step * step, return_counts=True)
        return windows, held.astype(np.int64)

    return counts


def test_no_sample_no_slice() -> None:
    assert list(slices(counts_of([]), 0, 10**18)) == []


def test_few_samples_are_one_slice_however_wide_the_range() -> None:
    (only,) = slices(counts_of([5, 10**17]), 0, 10**18)
    assert (only.start, only.held) == (0, 2)
    assert only.end > 10**17


def test_samples_of_one_moment_cannot_be_parted() -> None:
    (only,) = slices(counts_of([7] * 5), 0, 10**18, most=2)
    assert (only.start, only.end, only.held) == (7, 8, 5)


def test_windows_stay_whole() -> None:
    times = [MINUTE // 2 * at for at in range(20)]
    found = list(slices(counts_of(times), 0, HOUR, grain=MINUTE, most=3))
    assert [each.held for each in found] == [2] * 10
    assert all(each.start % MINUTE == 0 for each in found)


@given(
    st.lists(st.integers(0, 3 * HOUR), max_size=60),
    st.integers(0, HOUR),
    st.integers(1, 3 * HOUR),
    st.sampled_from([1, MINUTE, 5 * MINUTE]),
    st.integers(1, 7),
)
def test_every_sample_lies_in_one_slice_that_fits(
    times: list[int], start: int, width: int, grain: int, most: int
) -> None:
    end = start + width
    found = list(slices(counts_of(times), start, end, grain=grain, most=most))
    inside = [t for t in times if start <= t < end]
    assert sum(each.held for each in found) == len(inside)
    assert all(one.end <= other.start for one, other in pairwise(found))
    for each in found:
        mine = [t for t in inside if each.start <= t < each.end]
        assert len(mine) == each.held
        assert each.held <= most or len({t // grain for t in mine}) == 1
