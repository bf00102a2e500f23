"""What is kept of sealed files: the same answers, within bounds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fedsight.collector.store.blocks import Layout, placed
from fedsight.collector.store.contract import Points, SampleSearch
from fedsight.collector.store.kept import Kept
from fedsight.signals import Sample
from tests.collector.store.contract_suite.suite import SECOND, START, named
from tests.collector.store.kept_store import KeptStore


class Numbers(NamedTuple):
    number: NDArray[np.int64]


def numbers(count: int) -> Numbers:
    return Numbers(np.zeros(count, np.int64))


def test_what_was_not_used_for_longest_goes_first() -> None:
    kept: Kept[str, Numbers] = Kept(100)
    kept.keep("a", numbers(5))
    kept.keep("b", numbers(5))
    assert kept.find("a") is not None
    kept.keep("c", numbers(5))
    assert [kept.find(key) is not None for key in "abc"] == [True, False, True]
    assert kept.bytes == 80
    kept.keep("d", numbers(50))  # more than there is room for: nothing is let go for it
    assert kept.find("a") is not None
    kept.keep("a", numbers(2))
    assert kept.bytes == 56
    kept.clear()
    assert (kept.find("a"), kept.bytes) == (None, 0)


def test_what_nobody_asks_for_any_more_goes() -> None:
    kept: Kept[str, Numbers] = Kept(100)
    for key in "abc":
        kept.keep(key, numbers(2))
    kept.retain(lambda key: key == "b")
    assert [kept.find(key) is not None for key in "abc"] == [False, True, False]
    assert kept.bytes == 16


def test_what_is_asked_for_once_is_not_known() -> None:
    kept: Kept[str, Numbers] = Kept(100)
    assert not kept.asked_before(["a", "b"])
    assert not kept.asked_before(["b", "c"])
    assert kept.asked_before(["a", "b", "c"])
    assert kept.asked_before([])


def test_groups_that_hold_a_series() -> None:
    layout = Layout(np.arange(0, 50, 10), np.array([1, 4, 4, 9]), np.array([4, 4, 8, 12]))
    assert layout.touched(np.array([4])).tolist() == [0, 1, 2]
    assert layout.touched(np.array([2, 10])).tolist() == [0, 3]
    assert layout.touched(np.array([13])).tolist() == []


@given(
    st.lists(st.lists(st.integers(0, 20), min_size=1, max_size=30), min_size=1, max_size=5),
    st.integers(-1, 21),
    st.sampled_from([1, 20]),
)
def test_a_moments_place_in_each_range(ranges: list[list[int]], moment: int, times: int) -> None:
    ranges = ranges * times
    edges = np.cumsum([0, *map(len, ranges)])
    low, high = edges[:-1], edges[1:]
    time = np.concatenate([np.sort(np.array(each, np.int64)) for each in ranges])
    wanted = [a + int(np.searchsorted(time[a:b], moment)) for a, b in pairwise(edges.tolist())]
    assert placed(time, low, high, moment).tolist() == wanted


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[KeptStore]:
    """Two files that hold each other's time, one of the samples in both, and hot rows."""
    kept = KeptStore(tmp_path)
    every = [
        Sample(START + at * SECOND, "load", at + node / 10, at, {"node": f"n{node}"})
        for at in range(60)
        for node in range(4)
    ]
    kept.send(every[0::2] + every[1:20])
    kept.upkeep.seal()
    kept.send([*every[1:160:2], every[0]])
    kept.upkeep.seal()
    kept.send(every[161::2])
    yield kept
    kept.close()


def rows(found: list[Points]) -> list[tuple[str, list[int], list[float]]]:
    return [(p.series.labels["node"], p.time.tolist(), p.value.tolist()) for p in found]


def test_answers_stay_the_same_once_they_are_kept(filled: KeptStore) -> None:
    filled.archive.few = -1
    selections = [named("load"), named("load", START + 5 * SECOND, START + 31 * SECOND)]

    def ask(samples: SampleSearch) -> list[object]:
        found: list[object] = []
        for which in selections:
            found.append(rows(list(samples.points(which, 1000))))
            for step in (2**62, 10 * SECOND):
                found += [rows(samples.windows(which, step, a)) for a in ("count", "last", "max")]
        return found

    first = filled.ask(ask)
    assert [filled.ask(ask) for _ in range(3)] == [first] * 3
    assert filled.archive.sealed.kept_bytes > 0
    counted = first[1]
    assert isinstance(counted, list)
    assert [values for _, _, values in counted] == [[60.0]] * 4


def test_files_that_were_merged_away_take_no_memory(filled: KeptStore) -> None:
    filled.archive.few = -1

    def ask(samples: SampleSearch) -> list[Points]:
        return list(samples.points(named("load"), 1000))

    for _ in range(3):
        filled.ask(ask)
    before = filled.archive.sealed.kept_bytes
    assert before > 0
    filled.upkeep.compact()
    filled.ask(ask)
    assert filled.archive.sealed.kept_bytes < before
