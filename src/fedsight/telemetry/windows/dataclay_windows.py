"""Windows in dataClay, with a copy on disk that nothing is lost from while it is away."""

from __future__ import annotations

import threading

import pandas as pd

from fedsight.telemetry.windows.contract import (
    Added,
    Figures,
    node_name,
)
from fedsight.telemetry.windows.frames import empty, frame, rows_of
from fedsight.telemetry.windows.local import LocalWindows
from fedsight.telemetry.windows.objects import Objects
from fedsight.telemetry.windows.pushing import Pushing
from fedsight.telemetry.windows.waiting import wait_for

#: Seconds between two looks for something new; one look takes about a millisecond.
POLL_SECONDS = 0.2


class DataClayWindows:
    """Windows as objects of dataClay, which one process writes and any read.

    What is added is on disk first, in `copy`, and acknowledged then; it is in dataClay before the
    call returns if that answers, else as soon as it does again. Who reads asks dataClay alone.
    Raises WindowError where it does not answer within `seconds`, MissingExtraError where it is not
    installed. A call may take that long: not for an event loop. Threads may share it.
    """

    def __init__(self, host: str, port: int, copy: LocalWindows, seconds: float = 5.0) -> None:
        self._copy = copy
        self.objects = Objects(host, port, seconds)
        self._pushing: Pushing | None = None
        self._starting = threading.Lock()

    @property
    def interval_ns(self) -> int:
        """How far slots lie apart."""
        return self._copy.extent.interval_ns

    def nodes(self) -> list[str]:
        """The nodes that have rows, in order of their names."""
        return self.objects.nodes()

    def figures(self, node: str) -> Figures | None:
        """The node's window in figures; None while it has no rows."""
        held = self.objects.read(node_name(node))
        return held.figures() if held else None

    def window(self, node: str) -> DataClayWindow:
        """A new handle on the node's window."""
        return DataClayWindow(self, node_name(node))

    def pushing(self) -> Pushing:
        """What brings rows to dataClay; from the first row that is added here."""
        with self._starting:
            if self._pushing is None:
                self._pushing = Pushing(self._copy, self.objects)
            return self._pushing

    def close(self) -> None:
        """End the session. What dataClay has not got yet stays on disk."""
        if self._pushing is not None:
            self._pushing.close()
        self.objects.close()
        self._copy.close()

    def __enter__(self) -> DataClayWindows:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class DataClayWindow:
    """The window of one node in dataClay."""

    def __init__(self, windows: DataClayWindows, node: str) -> None:
        self._all = windows
        self._node = node
        self._seen = 0

    def add_dataframe(self, df: pd.DataFrame) -> Added:
        """Put rows where they belong."""
        return self._all.pushing().add(self._node, rows_of(df))

    def get_dataframe(self) -> pd.DataFrame:
        """The window as it is."""
        held = self._all.objects.read(self._node)
        if held is None:
            return empty()
        self._seen = held.version
        return frame(held.kept.rows)

    def wait_for_dataframe(self, timeout: float) -> pd.DataFrame:
        """The window, once it holds what this handle has not handed out yet."""
        wait_for(self._is_new, timeout, POLL_SECONDS, self._node)
        return self.get_dataframe()

    def _is_new(self) -> bool:
        return self._all.objects.version(self._node) not in (0, self._seen)
