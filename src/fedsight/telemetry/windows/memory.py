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
    Figures,
    WindowError,
    WindowTimeoutError,
    check_timeout,
    node_name,
)
from fedsight.telemetry.windows.frames import empty, frame, rows_of
from fedsight.telemetry.windows.holding import Holding
from fedsight.telemetry.windows.slots import Extent


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
        self.kept: dict[str, Holding] = {}
        self.news = threading.Condition()

    @property
    def interval_ns(self) -> int:
        """How far slots lie apart."""
        return self.extent.interval_ns

    def nodes(self) -> list[str]:
        """The nodes that have rows."""
        with self.news:
            return sorted(self.kept)

    def figures(self, node: str) -> Figures | None:
        """The node's window in figures."""
        with self.news:
            held = self.kept.get(node_name(node))
            return held.figures() if held else None

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
            held = every.kept.get(self._node) or Holding()
            added = held.add(rows, every.extent, every.now())
            if added.rows:
                self._keep(held)
                every.news.notify_all()
        return added

    def _keep(self, held: Holding) -> None:
        kept = self._all.kept
        if self._node not in kept and len(kept) >= self._all.max_nodes:
            raise WindowError(f"there are windows of {len(kept)} nodes already, and no more may be")
        kept[self._node] = held

    def get_dataframe(self) -> pd.DataFrame:
        """The window as it is."""
        with self._all.news:
            held = self._all.kept.get(self._node)
            self._seen = held.version if held else 0
            return frame(held.kept.rows) if held else empty()

    def wait_for_dataframe(self, timeout: float) -> pd.DataFrame:
        """The window, once it holds what this handle has not handed out yet."""
        with self._all.news:
            if not self._all.news.wait_for(self._is_new, check_timeout(timeout)):
                raise WindowTimeoutError(f"nothing new of node {self._node} in {timeout:g} s")
            return self.get_dataframe()

    def _is_new(self) -> bool:
        held = self._all.kept.get(self._node)
        return held is not None and held.version != self._seen
