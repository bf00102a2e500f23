"""A node's window as an object of dataClay. Its methods run in dataClay's backend.

The backend imports this module, so fedsight must be installed where it runs. All state is bytes in
one attribute, put there in one go: dataClay may write an object to disk between any two.
"""

from __future__ import annotations

import threading

from dataclay import DataClayObject, activemethod

from fedsight.telemetry.windows.holding import Holding
from fedsight.telemetry.windows.packing import pack, unpack, unpack_rows
from fedsight.telemetry.windows.slots import Extent

#: Methods run in threads. A lock in an object would not outlive its way to disk and back.
_ADDING = threading.Lock()


class StoredWindow(DataClayObject):
    """One window: its account in `state`, packed; `version` grows with each change."""

    state: bytes
    version: int

    def __init__(self) -> None:
        self.state = pack(Holding())
        self.version = 0

    @activemethod
    def add(self, rows: bytes, max_rows: int, interval_ns: int, now: int) -> int:
        """Put packed rows where they belong; the version thereafter."""
        with _ADDING:
            held = unpack(self.state)
            held.add(unpack_rows(rows), Extent(max_rows, interval_ns), now)
            self.state = pack(held)
            self.version = held.version
            return held.version

    @activemethod
    def read(self) -> bytes:
        """The window and its account, packed."""
        return self.state

    @activemethod
    def news(self) -> int:
        """The version: what changes with each change. Never waits: waiters starve a backend."""
        return self.version
