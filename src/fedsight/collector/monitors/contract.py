"""What a monitor is: it is asked again and again, and answers with signals and a state."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import Struct

from fedsight.errors import FedsightError
from fedsight.signals import Batch


class AwayError(FedsightError):
    """Nobody answers where the service should be."""


class ForeignAnswerError(FedsightError):
    """Somebody answered, but not as the service does."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one look gave.

    `state` is what is the case now. `cursor` is where to go on; None leaves it as it is. It is on
    disk if and only if the batch is.
    """

    batch: Batch = field(default_factory=Batch)
    state: Struct | None = None
    cursor: bytes | None = None


class Monitor(Protocol):
    """Watches one thing. `name` is unique; `address` is where it looks, for people, and empty where
    that is this machine: what has an address is a service, which may come and go."""

    @property
    def name(self) -> str:
        """Which monitor this is."""
        ...

    @property
    def address(self) -> str:
        """What it looks at."""
        ...

    async def collect(self, cursor: bytes | None) -> Found:
        """Look once. `cursor` is the last that was kept, None at the very first.

        Raises AwayError where nobody answers, ForeignAnswerError where the answer is none.
        """
        ...


class Keeper(Protocol):
    """Keeps signals together with a change, both or neither: `Ingest` does."""

    def keep(
        self, batch: Batch, change: Callable[[sqlite3.Connection], object] | None = None
    ) -> Future[None]:
        """The future is done once all is on disk."""
        ...


class StateBoard(Protocol):
    """Where the newest state of each component is shown, to other processes too."""

    async def put(self, component: str, state: bytes) -> None:
        """Show a state, as JSON."""
        ...


class NoBoard:
    """Shows nothing: states are then known to this process alone."""

    async def put(self, component: str, state: bytes) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a monitor looks, and how long it may take; seconds.

    `longest` is the longest pause after failures.
    """

    interval: float
    deadline: float
    longest: float = 60.0


def read_cursors(store: sqlite3.Connection) -> Mapping[str, bytes]:
    """How far each monitor has read, by its name."""
    rows = store.execute("SELECT monitor, cursor FROM monitor_cursors").fetchall()
    return {str(name): bytes(cursor) for name, cursor in rows}


def cursor_write(name: str, cursor: bytes) -> Callable[[sqlite3.Connection], object]:
    """The change that remembers a cursor."""

    def write(store: sqlite3.Connection) -> None:
        store.execute(
            "INSERT INTO monitor_cursors VALUES (?, ?)"
            " ON CONFLICT (monitor) DO UPDATE SET cursor = excluded.cursor",
            (name, cursor),
        )

    return write
