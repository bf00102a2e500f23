from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsight.collector.querying.paging import count, of_rounds, page
from fedsight.collector.store.contract import Matcher, Selection
from fedsight.collector.store.fake_samples import MemorySamples
from fedsight.signals import Sample

ALL = Selection((Matcher("__name__", "=", "x"),), 0, 2**62)


def read(samples: MemorySamples, limit: int) -> tuple[list[tuple[int, str, float]], list[int]]:
    """All points as (time, node, value), page after page, and how many each page had."""
    rows, sizes, selection = [], [], ALL
    while True:
        found = page(samples, selection, limit)
        sizes.append(count(found.points))
        rows += sorted(
            (time, each.series.labels["node"], value)
            for each in found.points
            for time, value in zip(each.time.tolist(), each.value.tolist(), strict=True)
        )
        if found.end is None:
            return rows, sizes
        assert found.end > selection.start
        selection = replace(selection, start=found.end)


times = st.integers(0, 20) | st.integers(10**18, 10**18 + 50) | st.integers(0, 2**60)


@given(
    st.lists(st.tuples(times, st.sampled_from("abc"), st.integers(0, 3)), max_size=40),
    st.integers(1, 12),
)
def test_pages_hold_every_point_once_and_in_order(
    rows: list[tuple[int, str, int]], limit: int
) -> None:
    samples = [Sample(time, "x", 1.0, round_, {"node": node}) for time, node, round_ in rows]
    found, sizes = read(MemorySamples(samples), limit)
    assert sorted(found) == found
    assert len(found) == len(set(rows))
    busiest = max((sum(1 for row in set(rows) if row[0] == at) for at, *_ in rows), default=0)
    assert max(sizes) <= max(limit, busiest)


def test_most_of_a_page_is_used() -> None:
    samples = MemorySamples(Sample(at * 10**9, "x", 1.0, labels={"node": "a"}) for at in range(999))
    assert min(read(samples, 100)[1][:-1]) > 50


def test_rounds_are_picked() -> None:
    samples = MemorySamples(Sample(at, "x", 1.0, at or None) for at in range(5))
    points = of_rounds(page(samples, ALL, 10).points, (2, 3))
    assert [each.time.tolist() for each in points] == [[2, 3]]
    assert of_rounds(page(samples, ALL, 10).points, (7, 9)) == []


@pytest.mark.parametrize("limit", [1, 2])
def test_one_time_is_never_parted(limit: int) -> None:
    samples = [Sample(7, "x", 1.0, round_, {"node": "a"}) for round_ in range(4)]
    samples.append(Sample(8, "x", 1.0, labels={"node": "a"}))
    assert read(MemorySamples(samples), limit)[1] == [4, 1]
