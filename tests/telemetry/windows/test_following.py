"""The consumer that checks: what is new, what is missing, and what is wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fedsight.telemetry.windows import Gap, MemoryWindows
from fedsight.telemetry.windows.following import Follower, changes, faults
from tests.telemetry.windows.frames import INTERVAL, NAN, NOW, at, rows


def test_rows_and_gaps_are_told_once() -> None:
    window = MemoryWindows(6, INTERVAL, now=lambda: NOW).window("a")
    follower = Follower(INTERVAL)
    assert follower.look(window.get_dataframe()).rows.empty
    window.add_dataframe(rows(at(0, 3), a=[0, 3]))
    first = follower.look(window.get_dataframe())
    assert (first.rows["c.a"].tolist(), first.gaps) == ([0, 3], [Gap(*at(1, 2), 2)])
    assert follower.look(window.get_dataframe())[1:] == ([], 0, [])
    window.add_dataframe(rows(at(4, 6), a=[4, 6]))
    second = follower.look(window.get_dataframe())
    assert (second.rows["c.a"].tolist(), second.gaps) == ([4, 6], [Gap(*at(5, 5), 1)])
    window.add_dataframe(rows(at(2, 7), a=[2, 7], b=[2, 7]))
    third = follower.look(window.get_dataframe())
    assert (third.rows["c.a"].tolist(), third.gaps, third.late) == ([2, 7], [], 1)
    window.add_dataframe(rows(at(*range(20, 26)), a=[0] * 6))
    assert len(follower.look(window.get_dataframe()).rows) == 6


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (rows(at(1, 0), a=[1, 2]), "not ascending"),
        (rows(at(0, 0), a=[1, 2]), "there twice"),
        (rows(at(0, 1.1), a=[1, 2]), "not on slots of 3 s"),
        (rows(at(0), a=[np.inf]), "not finite"),
        (rows(at(0), a=[1]).astype("int64"), "not of float64"),
        (rows(at(0), a=[1]).set_axis(["\x00"], axis=1), "a column is called"),
        (rows(at(0), a=[1]).rename_axis("t"), "the index is 't' of int64"),
        (rows(at(0), a=[1]).set_axis(pd.Index([1.0], name="time")), "of float64, not int64"),
    ],
)
def test_what_is_no_window_is_told(frame: pd.DataFrame, words: str) -> None:
    (found,) = faults(frame, INTERVAL)
    assert words in found
    heard = Follower(INTERVAL).look(frame)
    assert heard.rows.empty
    assert heard.wrong == [found]


def test_values_that_change_are_told() -> None:
    before = rows(at(0, 1), a=[1, NAN], b=[2, 3])
    assert changes(before, rows(at(1, 2), a=[9, 9], b=[3, 9])) == []
    assert changes(before, rows(at(0, 1), a=[1, 1], b=[NAN, 4])) == [
        "2 values changed after they were read"
    ]
