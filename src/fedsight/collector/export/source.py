"""Where an export reads: the store of a running collector, or one that nobody has open."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Protocol, TypeVar

from fedsight.collector.store.contract import SampleSearch

Answer = TypeVar("Answer")


class Source(Protocol):
    """Answers questions, each over a snapshot, in the calling thread's time."""

    def rows(self, question: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """What happened: runs, rounds, events, spans."""
        ...

    def samples(self, question: Callable[[SampleSearch], Answer]) -> Answer:
        """What was measured; all that the question needs must be read when it returns."""
        ...


class Watch(Protocol):
    """Looks on as an export is made."""

    def step(self, share: float, written: int) -> None:
        """`share` of the work, 0 to 1, is done and `written` bytes lie on disk.

        May raise, which ends the export.
        """
        ...


class Unwatched:
    """Nobody looks on: the fake of `Watch`."""

    def step(self, share: float, written: int) -> None:
        """Nothing."""
