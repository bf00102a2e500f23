from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsight.federated.versions import Manifest, best, droppable
from fedsight.federated.versions.retention import latest
from tests.federated.versions.made import manifest

FIGURE = st.none() | st.sampled_from([0.1, 0.5, 0.9])


def dated(day: int) -> str:
    return f"2026-01-{day:02d}T00:00:00.000000Z"


@st.composite
def histories(draw: st.DrawFn) -> list[Manifest]:
    """Some rounds of two runs, a round a day."""
    chosen = draw(st.sets(st.tuples(st.sampled_from("ab"), st.integers(1, 20)), max_size=25))
    return [
        manifest(run, day, draw(FIGURE), draw(FIGURE), dated(day)) for run, day in sorted(chosen)
    ]


@given(histories(), st.data(), st.none() | st.integers(0, 6), st.none() | st.integers(1, 20))
def test_what_goes_is_old_and_nobodys(
    history: list[Manifest], data: st.DataObject, keep: int | None, day: int | None
) -> None:
    names = [one.version for one in history]
    held = data.draw(st.sets(st.sampled_from(names)) if names else st.just(set[str]()))
    before = None if day is None else datetime(2026, 1, day, tzinfo=UTC)
    going = droppable(history, held, keep=keep, before=before)
    assert {one.version for one in going} & held == set()
    for run in "ab":
        mine = [one for one in history if one.run == run]
        gone = [one for one in going if one.run == run]
        assert latest(mine) not in gone or not mine
        assert best(mine) not in gone or not mine
        newest = [one for one in mine if one.version not in held][-(keep or 0) or len(mine) :]
        assert keep in (None, 0) or not set(newest) & set(gone)
        assert all(day is None or one.round < day for one in gone)
        stays = [one for one in mine if one not in gone]
        loose = [one for one in stays if one.version not in held]
        if day is None and keep is not None:
            assert len(loose) <= keep + 2


@pytest.mark.parametrize(
    ("accuracies", "tagged", "keep", "stay"),
    [
        ([0.1, 0.2, 0.3, 0.4, 0.5], [], 3, [3, 4, 5]),
        ([0.9, 0.2, 0.3, 0.4, 0.5], [], 3, [1, 3, 4, 5]),
        ([0.9, 0.2, 0.3, 0.4, 0.5], [2], 3, [1, 2, 3, 4, 5]),
        ([0.9, 0.2, 0.3, 0.4, 0.5], [5], 1, [1, 4, 5]),
        ([None, None, None], [], 1, [3]),
        ([0.1, 0.9, 0.2], [], 0, [2, 3]),
        ([0.1, 0.9, 0.2], [], None, [2, 3]),
    ],
)
def test_the_newest_the_best_and_the_tagged_stay(
    accuracies: list[float | None], tagged: list[int], keep: int | None, stay: list[int]
) -> None:
    history = [manifest(round=at, accuracy=value) for at, value in enumerate(accuracies, 1)]
    going = droppable(history, {f"r-1/{at}" for at in tagged}, keep=keep)
    assert sorted({one.round for one in history} - {one.round for one in going}) == stay


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        ([], None),
        ([(None, None)], None),
        ([(0.5, 1.0), (0.9, 2.0), (0.7, 0.1)], 2),
        ([(0.9, 2.0), (0.9, 1.0), (0.9, 3.0)], 2),
        ([(0.9, 1.0), (0.9, 1.0)], 2),
        ([(None, 2.0), (None, 1.0), (None, 3.0)], 2),
        ([(None, 0.1), (0.2, 9.0)], 2),
    ],
)
def test_the_best_is_the_most_accurate_then_of_least_loss_then_the_newest(
    figures: list[tuple[float | None, float | None]], expected: int | None
) -> None:
    found = best(manifest(round=at, accuracy=a, loss=b) for at, (a, b) in enumerate(figures, 1))
    assert (None if found is None else found.round) == expected
