"""Windows in memory and on disk keep to the contract, and come to the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsight.telemetry.windows import LocalWindows, MemoryWindows, WindowError, with_gaps
from tests.telemetry.windows.frames import INTERVAL, NAN, NOW, SECOND, at, rows, same
from tests.telemetry.windows.keeping import WindowsContract


@pytest.fixture
def node() -> str:
    return "edge-1"


class TestMemoryWindows(WindowsContract):
    @pytest.fixture
    def windows(self) -> MemoryWindows:
        return MemoryWindows(10, INTERVAL, now=lambda: NOW)


class TestLocalWindows(WindowsContract):
    @pytest.fixture
    def windows(self, tmp_path: Path) -> Iterator[LocalWindows]:
        with LocalWindows(tmp_path / "windows", 10, INTERVAL, now=lambda: NOW) as windows:
            yield windows


#: Some rows for one call: slot, how far beside it, values of two columns.
CELL = st.one_of(st.just(NAN), st.integers(0, 3).map(float))
SOME = st.lists(
    st.tuples(st.integers(0, 18), st.sampled_from([-0.4, 0.0, 0.3]), CELL, CELL),
    min_size=1,
    max_size=8,
)


@settings(deadline=None, max_examples=50)
@given(st.lists(SOME, min_size=1, max_size=6))
def test_both_come_to_the_same(tmp_path_factory: pytest.TempPathFactory, calls: list[list]) -> None:
    memory = MemoryWindows(10, INTERVAL, now=lambda: NOW)
    with LocalWindows(tmp_path_factory.mktemp("w"), 10, INTERVAL, now=lambda: NOW) as local:
        for call in calls:
            times = at(*(slot + beside for slot, beside, _, _ in call))
            sent = rows(times, a=[each[2] for each in call], b=[each[3] for each in call])
            told = [each.window("n").add_dataframe(sent) for each in (memory, local)]
            assert told[0][:4] == told[1][:4]
            assert memory.figures("n") == local.figures("n")
        left, right = (each.window("n").get_dataframe() for each in (memory, local))
        assert same(left, right)


@settings(deadline=None, max_examples=50)
@given(st.permutations(range(20)), st.integers(1, 7))
def test_any_order_comes_to_the_same(order: list[int], size: int) -> None:
    windows = MemoryWindows(10, INTERVAL, now=lambda: NOW)
    window = windows.window("n")
    for first in range(0, 20, size):
        slots = order[first : first + size]
        window.add_dataframe(rows(at(*slots), a=[float(slot) for slot in slots]))
    assert window.get_dataframe()["c.a"].tolist() == [float(slot) for slot in range(10, 20)]


def test_a_store_in_memory_is_bounded_too() -> None:
    windows = MemoryWindows(max_nodes=1)
    windows.window("a").add_dataframe(rows(at(0), a=[1]))
    with pytest.raises(WindowError, match="windows of 1 nodes already"):
        windows.window("b").add_dataframe(rows(at(0), a=[1]))


@pytest.mark.parametrize(("max_rows", "interval"), [(0, 1), (1, 0)])
def test_an_extent_of_nothing_is_misuse(max_rows: int, interval: int) -> None:
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        MemoryWindows(max_rows, interval)


def test_a_row_of_years_ago_does_not_become_millions_of_slots() -> None:
    """A small computer without a clock of its own begins in the past."""
    df = rows([NOW - 5 * 365 * 86_400 * SECOND, NOW], a=[1, 2])
    with pytest.raises(WindowError, match="reaches over 52560001 slots"):
        with_gaps(df, INTERVAL)
