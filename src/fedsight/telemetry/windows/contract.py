"""A node's sliding window of telemetry: what every store of windows keeps to.

A window is a pandas DataFrame. Its index `time` is int64 Unix nanoseconds UTC, ascending and
unique; its columns are float64, each called `{configuration}.{metric}`, with the labels that tell
points of one metric apart behind it: `scaphandre-metrics.scaph_host_power_microwatts`,
`scaphandre-metrics.scaph_socket_power_microwatts{socket_id="0"}`. NaN is: not measured.

Rows lie on slots one scrape interval apart: any two times of a window differ by a whole number of
intervals. A slot for which nothing came has no row: `gaps` finds them. Nothing is filled in.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

import pandas as pd

from fedsight.errors import FedsightError, UsageError

#: Rows that a window holds unless told otherwise, and how far they lie apart.
MAX_ROWS = 300
INTERVAL_NS = 3_000_000_000
#: Bounds that keep a store small, whoever writes to it.
MAX_NODES = 1_000
MAX_COLUMNS = 256

#: Seconds that a call may wait for rows: a day.
MAX_TIMEOUT = 86_400.0

_NODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_COLUMN = re.compile(r"[A-Za-z0-9][^\x00-\x1f\x7f-\x9f]{0,510}")


class WindowError(FedsightError):
    """A window cannot be read or written, or rows do not fit; the message says why."""


class WindowTimeoutError(WindowError):
    """Nothing new came in time."""


class Added(NamedTuple):
    """What became of rows that were added."""

    #: Slots that are new or hold more values than before.
    rows: int = 0
    #: Values that were not taken: their slot holds another value already, and the first one stays.
    conflicting: int = 0
    #: Rows that are older than all that a full window keeps.
    late: int = 0
    #: Rows from too far in the future: the clock that stamped them is wrong.
    ahead: int = 0
    #: Columns that the window had no value in before.
    new_columns: tuple[str, ...] = ()
    #: Columns that were left out: the window has as many as it may.
    left_out: tuple[str, ...] = ()


class Figures(NamedTuple):
    """A window in figures. Times are Unix nanoseconds, counts since the window began."""

    rows: int
    #: The first slot and the last one.
    first: int
    last: int
    #: When rows came last, on the clock of who keeps the windows.
    written: int
    conflicting: int
    late: int
    ahead: int


class TimeSeriesData(Protocol):
    """The window of one node. A handle is for one consumer: it knows what it handed out."""

    def add_dataframe(self, df: pd.DataFrame) -> Added:
        """Put rows where they belong: in any order, at any time, as often as one likes.

        Each goes to the slot nearest to its time. A value that is there already stays. Columns that
        a window has no room for are left out. Acknowledged when it returns: the rows outlive the
        process. Raises WindowError where the frame is not a window's, or the store is full or away.
        """
        ...

    def get_dataframe(self) -> pd.DataFrame:
        """The window as it is, without rows while there are none. Raises WindowError."""
        ...

    def wait_for_dataframe(self, timeout: float) -> pd.DataFrame:
        """The window, once it holds what this handle has not handed out yet.

        Returns at once on the first call where there are rows. Raises WindowTimeoutError after
        `timeout` seconds, WindowError as `get_dataframe` does.
        """
        ...


class Windows(Protocol):
    """The windows of all nodes."""

    @property
    def interval_ns(self) -> int:
        """How far slots lie apart."""
        ...

    def nodes(self) -> list[str]:
        """The nodes that have rows, in order of their names. Raises WindowError."""
        ...

    def figures(self, node: str) -> Figures | None:
        """The node's window in figures; None while it has no rows. Raises WindowError."""
        ...

    def window(self, node: str) -> TimeSeriesData:
        """A new handle on the node's window, which may have no rows yet.

        Raises UsageError where no node may be called so.
        """
        ...


def is_node(text: str) -> bool:
    """Whether a node may be called so: no name that passes is a path."""
    return _NODE.fullmatch(text) is not None


def node_name(text: str) -> str:
    """`text`. Raises UsageError where no node may be called so."""
    if not is_node(text):
        raise UsageError(
            "a node must be called by 1 to 128 letters, digits, '.', '_' and '-', the first a"
            f" letter or digit, got {text[:80]!r}"
        )
    return text


def check_timeout(timeout: float) -> float:
    """`timeout`. Raises UsageError where it is no number of seconds: nobody waits for ever."""
    if not 0 <= timeout <= MAX_TIMEOUT:
        raise UsageError(f"a timeout must be 0 to {MAX_TIMEOUT:g} seconds, got {timeout!r}")
    return timeout


def is_column(text: str) -> bool:
    """Whether a column may be called so."""
    return _COLUMN.fullmatch(text) is not None
