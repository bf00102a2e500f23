"""Windows in memory: the fake that tests use. Threads may share it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pandas as pd

from fedsight.telemetry.windows.contract import (
    INTERVAL_NS,
    MAX_NODES,
    MAX_ROWS,
    Added,
    WindowError,
    WindowTimeoutError,
    node_name,
)
from fedsight.telemetry.windows.frames import frame, rows_of
from fedsight.telemetry.windows.slots import NOTHING, Extent, Kept, merged


class MemoryWindows:
    """Windows that end with the process."""

    def __init__(
        self,
        max_rows: int = MAX_ROWS,
        interval_ns: int = INTERVAL_NS,
        *,
        max_nodes: int = MAX_NODES,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self.extent = Extent(max_rows, interval_ns).checked()
        self.max_nodes = max_nodes
        self.now = now
        self.kept: dict[str, Kept] = {}
        self.versions: dict[str, int] = {}
        self.news = threading.Condition()

    @property
    def interval_ns(self) -> int:
        """How far slots lie apart."""
        return self.extent.interval_ns

    def nodes(self) -> list[str]:
        """The nodes that have rows."""
        with self.news:
            return sorted(self.kept)

    def window(self, node: str) -> MemoryWindow:
        """A new handle on the node's window."""
        return MemoryWindow(self, node_name(node))


class MemoryWindow:
    """The window of one node in memory."""

    def __init__(self, windows: MemoryWindows, node: str) -> None:
        self._all = windows
        self._node = node
        self._seen = 0

    def add_dataframe(self, df: pd.DataFrame) -> Added:
        """Put rows where they belong."""
        rows, every = rows_of(df), self._all
        with every.news:
            kept = every.kept.get(self._node, NOTHING)
            after, added = merged(kept, rows, every.extent, every.now())
            if added.rows:
                if self._node not in every.kept and len(every.kept) >= every.max_nodes:
                    raise WindowError(f"there are windows of {every.max_nodes} nodes already")
                every.kept[self._node] = after
                every.versions[self._node] = self._version() + 1
                every.news.notify_all()
        return added

    def get_dataframe(self) -> pd.DataFrame:
        """The window as it is."""
        with self._all.news:
            self._seen = self._version()
            return frame(self._all.kept.get(self._node, NOTHING).rows)

    def wait_for_dataframe(self, timeout: float) -> pd.DataFrame:
        """The window, once it holds what this handle has not handed out yet."""
        with self._all.news:
            if not self._all.news.wait_for(lambda: self._version() != self._seen, timeout):
                raise WindowTimeoutError(f"nothing new of node {self._node} in {timeout:g} s")
            return self.get_dataframe()

    def _version(self) -> int:
        return self._all.versions.get(self._node, 0)
