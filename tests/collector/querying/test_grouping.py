from __future__ import annotations

import numpy as np
import pytest

from fedsight.collector.querying.grouping import Group, Grouping, grouped, grouping
from fedsight.collector.store.contract import Points
from fedsight.door.refusal import BadFieldError
from fedsight.signals import Series


def points(name: str, labels: dict[str, str], windows: dict[int, float]) -> Points:
    times = np.array(list(windows), np.int64)
    return Points(Series(name, labels), times, np.array(list(windows.values()), np.float64))


LOADS = [
    points("load", {"node": "a", "core": "0"}, {0: 1.0, 60: 2.0}),
    points("load", {"node": "a", "core": "1"}, {60: 4.0}),
    points("load", {"node": "b", "core": "0"}, {0: 8.0}),
    points("load", {"core": "0"}, {120: 16.0}),
]


def told(found: list[Points]) -> dict[str, dict[int, float]]:
    return {
        each.series.labels.get("node", ""): dict(
            zip(each.time.tolist(), each.value.tolist(), strict=True)
        )
        for each in found
    }


@pytest.mark.parametrize(
    ("group", "of_a"),
    [
        ("sum", {0: 1.0, 60: 6.0}),
        ("mean", {0: 1.0, 60: 3.0}),
        ("min", {0: 1.0, 60: 2.0}),
        ("max", {0: 1.0, 60: 4.0}),
        ("count", {0: 1.0, 60: 2.0}),
    ],
)
def test_windows_of_a_group_are_put_together(group: Group, of_a: dict[int, float]) -> None:
    found = told(grouped(LOADS, Grouping(("node",), group)))
    assert list(found) == ["", "a", "b"]  # one without the label has the empty text
    assert found["a"] == of_a


def test_a_group_has_a_name_if_its_series_share_it() -> None:
    other = points("power", {"node": "a"}, {0: 1.0})
    found = grouped([*LOADS, other], Grouping(("node",), "sum"))
    assert [each.series.name for each in found] == ["load", "", "load"]
    by_name = grouped([*LOADS, other], Grouping(("__name__",), "sum"))
    assert [(each.series.name, each.series.labels) for each in by_name] == [
        ("load", {}),
        ("power", {}),
    ]


def test_without_labels_all_is_one() -> None:
    (found,) = grouped(LOADS, Grouping((), "sum"))
    assert found.time.tolist() == [0, 60, 120]
    assert found.value.tolist() == [9.0, 6.0, 16.0]
    assert grouped([], Grouping((), "sum")) == []


def test_what_a_request_says_of_groups() -> None:
    assert grouping(None, None) is None
    assert grouping("node, task,node", None) == Grouping(("node", "task"), "sum")
    assert grouping(None, "max") == Grouping((), "max")
    with pytest.raises(BadFieldError, match="labels such as"):
        grouping("no de", None)
    with pytest.raises(BadFieldError, match="at most 16"):
        grouping(",".join(f"l{n}" for n in range(17)), None)
