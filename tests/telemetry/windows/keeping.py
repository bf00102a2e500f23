"""What every store of windows has to keep to: a class of tests, inherited for each store.

The store has room for ten rows a node, slots of 3 s, and a clock that stands at `NOW`.
"""

from __future__ import annotations

import threading
import time

import numpy as np
import pandas as pd
import pytest

from fedsight.errors import UsageError
from fedsight.telemetry.windows import (
    Gap,
    WindowError,
    Windows,
    WindowTimeoutError,
    gaps,
    with_gaps,
)
from fedsight.telemetry.windows.contract import MAX_COLUMNS
from tests.telemetry.windows.frames import INTERVAL, NAN, NOW, SECOND, at, rows, same


class WindowsContract:
    """The fixtures `windows` and `node` come from who inherits; a node's name is new each time."""

    def test_a_node_that_sent_nothing_has_an_empty_window(
        self, windows: Windows, node: str
    ) -> None:
        df = windows.window(node).get_dataframe()
        assert df.empty
        assert (df.index.name, df.index.dtype) == ("time", np.int64)
        assert windows.figures(node) is None
        assert node not in windows.nodes()

    def test_rows_come_back_in_order_each_time_once(self, windows: Windows, node: str) -> None:
        added = windows.window(node).add_dataframe(rows(at(2, 0, 1), a=[3, 1, 2], b=[6, 4, 5]))
        df = windows.window(node).get_dataframe()
        assert (added.rows, added.new_columns) == (3, ("c.a", "c.b"))
        assert list(df.index) == at(0, 1, 2)
        assert (df.index.name, df.index.dtype) == ("time", np.int64)
        assert df["c.a"].tolist() == [1.0, 2.0, 3.0]
        assert set(df.dtypes) == {np.dtype("float64")}
        assert node in windows.nodes()

    def test_only_the_newest_rows_stay(self, windows: Windows, node: str) -> None:
        window = windows.window(node)
        window.add_dataframe(rows(at(*range(8)), a=list(range(8))))
        window.add_dataframe(rows(at(*range(8, 13)), a=list(range(8, 13))))
        assert list(window.get_dataframe().index) == at(*range(3, 13))

    def test_late_rows_are_placed_right_or_told(self, windows: Windows, node: str) -> None:
        window = windows.window(node)
        window.add_dataframe(rows(at(5, 6, 20, 21, 22, 23, 24, 25, 26), a=[0] * 9))
        assert window.add_dataframe(rows(at(22.9, 10), a=[7, 8]))[:3] == (1, 1, 0)
        assert list(window.get_dataframe().index) == at(5, 6, 10, 20, 21, 22, 23, 24, 25, 26)
        assert window.add_dataframe(rows(at(3, 4), a=[7, 8])).late == 2
        assert list(window.get_dataframe().index) == at(5, 6, 10, 20, 21, 22, 23, 24, 25, 26)
        figures = windows.figures(node)
        assert figures is not None
        assert (figures.rows, figures.first, figures.last) == (10, at(5)[0], at(26)[0])
        assert (figures.late, figures.conflicting) == (2, 1)

    def test_what_is_sent_twice_changes_nothing(self, windows: Windows, node: str) -> None:
        window = windows.window(node)
        sent = rows(at(0, 1), a=[1, 2])
        window.add_dataframe(sent)
        window.get_dataframe()
        assert window.add_dataframe(sent)[:4] == (0, 0, 0, 0)
        with pytest.raises(WindowTimeoutError, match=rf"nothing new of node {node} in 0.05 s"):
            window.wait_for_dataframe(0.05)

    def test_scrapes_up_to_half_an_interval_off_have_slots_of_their_own(
        self, windows: Windows, node: str
    ) -> None:
        window = windows.window(node)
        for moment in (0, 1.49, 1.51, 3.5, 4.4):
            window.add_dataframe(rows(at(moment), a=[moment]))
        df = window.get_dataframe()
        assert list(df.index) == at(0, 1, 2, 4)  # one exactly between two goes to the later
        assert df["c.a"].tolist() == [0, 1.49, 1.51, 3.5]

    def test_metrics_of_one_scrape_share_a_row(self, windows: Windows, node: str) -> None:
        window = windows.window(node)
        window.add_dataframe(rows(at(0, 1), a=[1, 2]))
        window.add_dataframe(rows(at(0.1, 1.2), b=[3, 4]))
        assert same(window.get_dataframe(), rows(at(0, 1), a=[1, 2], b=[3, 4]))

    def test_a_value_once_there_stays(self, windows: Windows, node: str) -> None:
        window = windows.window(node)
        window.add_dataframe(rows(at(0, 1), a=[1, NAN], b=[NAN, NAN]))
        added = window.add_dataframe(rows(at(0, 1, 1.1), a=[9, 2, 8], b=[5, 6, 6]))
        assert same(window.get_dataframe(), rows(at(0, 1), a=[1, 2], b=[5, 6]))
        assert (added.rows, added.conflicting) == (2, 2)

    def test_nothing_is_made_of_what_was_not_measured(self, windows: Windows, node: str) -> None:
        window = windows.window(node)
        assert window.add_dataframe(rows(at(0), a=[NAN])).rows == 0
        assert node not in windows.nodes()
        window.add_dataframe(rows(at(1, 2), a=[1, NAN], b=[NAN, 2]))
        window.add_dataframe(rows(at(1, 3), a=[NAN, NAN], b=[NAN, NAN]))
        assert same(window.get_dataframe(), rows(at(1, 2), a=[1, NAN], b=[NAN, 2]))

    def test_gaps_are_known_and_stay_until_their_rows_come(
        self, windows: Windows, node: str
    ) -> None:
        window = windows.window(node)
        window.add_dataframe(rows(at(0, 3, 4, 6), a=[0, 3, 4, 6]))
        df = window.get_dataframe()
        assert gaps(df, windows.interval_ns) == [Gap(*at(1, 2), 2), Gap(*at(5, 5), 1)]
        even = with_gaps(df, windows.interval_ns)
        assert list(even.index) == at(*range(7))
        assert even["c.a"].isna().tolist() == [False, True, True, False, False, True, False]
        window.add_dataframe(rows(at(1, 2), a=[1, 2]))
        assert gaps(window.get_dataframe(), windows.interval_ns) == [Gap(*at(5, 5), 1)]

    def test_a_clock_that_runs_ahead_pushes_nothing_out(self, windows: Windows, node: str) -> None:
        window = windows.window(node)
        window.add_dataframe(rows(at(0), a=[1]))
        wrong = [NOW + 3600 * SECOND + k * INTERVAL for k in range(10)]
        assert window.add_dataframe(rows(wrong, a=[2] * 10)).ahead == 10
        assert window.add_dataframe(rows([NOW + 50 * SECOND], a=[3])).rows == 1
        assert window.get_dataframe()["c.a"].tolist() == [1, 3]
        figures = windows.figures(node)
        assert figures is not None
        assert figures.ahead == 10

    def test_new_columns_widen_and_unused_ones_go(self, windows: Windows, node: str) -> None:
        window = windows.window(node)
        window.add_dataframe(rows(at(0, 1), a=[1, 2]))
        added = window.add_dataframe(rows(at(2), b=[3]))
        assert added.new_columns == ("c.b",)
        assert same(window.get_dataframe(), rows(at(0, 1, 2), a=[1, 2, NAN], b=[NAN, NAN, 3]))
        window.add_dataframe(rows(at(*range(3, 13)), b=[3] * 10))
        assert list(window.get_dataframe().columns) == ["c.b"]

    def test_counters_stay_raw(self, windows: Windows, node: str) -> None:
        window = windows.window(node)
        counted = [2.0**53, 2.0**53 + 2, 0.0, 5.0]
        window.add_dataframe(rows(at(0, 1, 2, 3), joules=counted))
        assert window.get_dataframe()["c.joules"].tolist() == counted

    def test_waiting_ends_when_rows_come(self, windows: Windows, node: str) -> None:
        window = windows.window(node)
        later = threading.Timer(0.2, windows.window(node).add_dataframe, [rows(at(0), a=[1])])
        later.start()
        assert len(window.wait_for_dataframe(30)) == 1
        later.join()
        windows.window(node).add_dataframe(rows(at(1), a=[1]))
        assert len(window.wait_for_dataframe(0)) == 2
        assert len(windows.window(node).wait_for_dataframe(0)) == 2  # another's first look

    def test_nobody_waits_for_ever(self, windows: Windows, node: str) -> None:
        window = windows.window(node)
        began = time.monotonic()
        with pytest.raises(WindowTimeoutError):
            window.wait_for_dataframe(0.3)
        assert 0.3 <= time.monotonic() - began < 5
        for endless in (float("inf"), NAN, -1.0, 1e9):
            with pytest.raises(UsageError, match="a timeout must be 0 to 86400 seconds"):
                window.wait_for_dataframe(endless)

    @pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "x\n", "a b", "ä", "x" * 129])
    def test_no_node_has_a_path_in_its_name(self, windows: Windows, name: str) -> None:
        for asked in (windows.window, windows.figures):
            with pytest.raises(UsageError, match="a node must be called by"):
                asked(name)

    def test_frames_that_are_no_windows_are_refused(self, windows: Windows, node: str) -> None:
        window = windows.window(node)
        good = rows(at(0), a=[1])
        wide = {f"m{number}": [1.0] for number in range(MAX_COLUMNS + 1)}
        bad = {
            "must be whole Unix nanoseconds": good.set_axis(pd.Index([1.5])),
            "between 1970 and 2200": rows([-1], a=[1]),
            "must be finite": rows(at(0), a=[float("inf")]),
            "must be numbers": pd.DataFrame({"c.a": ["x"]}, index=good.index),
            "different names": pd.concat([good, good], axis=1),
            "CONFIGURATION.METRIC": good.set_axis(["\x1b[31m"], axis=1),
            "at most 256 columns": rows(at(0), **wide),
        }
        for words, frame in bad.items():
            with pytest.raises(WindowError, match=words):
                window.add_dataframe(frame)
        assert window.get_dataframe().empty

    def test_what_would_make_a_window_too_wide_is_left_out(
        self, windows: Windows, node: str
    ) -> None:
        window = windows.window(node)
        for part in range(2):
            names = (f"m{part}x{number}" for number in range(MAX_COLUMNS // 2))
            window.add_dataframe(rows(at(part), **{name: [1.0] for name in names}))
        assert window.add_dataframe(rows(at(2), one_more=[1.0])).rows == 0
        added = window.add_dataframe(rows(at(2), m0x0=[1.0], one_more=[1.0]))
        assert (added.rows, added.new_columns, added.left_out) == (1, (), ("c.one_more",))
        df = window.get_dataframe()
        assert (len(df), len(df.columns)) == (3, MAX_COLUMNS)
        # Once no row of the window has a value for them, columns make room for others.
        window.add_dataframe(rows(at(*range(3, 12)), m0x0=[1.0] * 9))
        window.add_dataframe(rows(at(12), one_more=[2.0]))
        assert sorted(window.get_dataframe().columns) == ["c.m0x0", "c.one_more"]
