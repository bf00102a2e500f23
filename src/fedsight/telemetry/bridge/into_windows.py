"""From points of requests to the windows of nodes, for the thread that commits."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence

import pandas as pd

from fedsight.telemetry.bridge.series import Origin
from fedsight.telemetry.bridge.work import Work
from fedsight.telemetry.windows import TimeSeriesData, WindowError, Windows
from fedsight.telemetry.windows.link import AwayError
from fedsight.telemetry.windows.sorting import Point, Sorter

#: Windows whose handles are kept.
REMEMBERED = 4096


def passes(error: WindowError) -> bool:
    """Whether the same may go well later: the disk or dataClay is in the way, not what was sent.

    A sender that was told to come again with what never gets in would send nothing else any more.
    """
    return isinstance(error, AwayError) or isinstance(error.__cause__, OSError | sqlite3.Error)


class IntoWindows:
    """Sorts what came and puts it into windows; all requests of one go share their rows.

    `counted`: rows, conflicting values, late rows and rows ahead, as windows tell them, and points
    that were refused for good.
    """

    def __init__(self, windows: Windows, sorter: Sorter) -> None:
        self._windows = windows
        self._sorter = sorter
        self._handles: dict[str, TimeSeriesData] = {}
        self.counted: Counter[str] = Counter()

    def __call__(self, works: Sequence[Work]) -> dict[int, Exception]:
        """Put them in; returns, by id, the requests that could not be, and why."""
        points: dict[int, tuple[Origin, list[Point], list[tuple[Work, int]]]] = {}
        for work in works:
            for origin, of_origin in work.windows:
                found = points.setdefault(id(origin), (origin, [], []))
                found[1].extend(of_origin)
                found[2].append((work, len(of_origin)))
        failed: dict[int, Exception] = {}
        for origin, of_origin, shares in points.values():
            try:
                self._put(origin, of_origin)
            except WindowError as error:
                if passes(error):
                    failed.update((id(work), error) for work, _ in shares)
                    continue
                self.counted["refused"] += len(of_origin)
                for work, count in shares:
                    work.refused.append((count, str(error)))
        return failed

    def _put(self, origin: Origin, points: list[Point]) -> None:
        rows: dict[str, pd.DataFrame] = self._sorter.sort(origin.resource, origin.scope, points)
        for node, df in rows.items():
            handle = self._handles.get(node)
            if handle is None:
                if len(self._handles) >= REMEMBERED:
                    self._handles.clear()
                handle = self._handles[node] = self._windows.window(node)
            added = handle.add_dataframe(df)
            self.counted["rows"] += added.rows
            self.counted["conflicting"] += added.conflicting
            self.counted["late"] += added.late
            self.counted["ahead"] += added.ahead
