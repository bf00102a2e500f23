"""`fedsight windows follow`: one line for each row, gap and fault as it comes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import NamedTuple

import msgspec

from fedsight.door.times import rfc3339
from fedsight.errors import FedsightError
from fedsight.telemetry.windows import TimeSeriesData, WindowError, Windows, WindowTimeoutError
from fedsight.telemetry.windows.following import Follower, Heard

#: Seconds between two looks at all windows.
POLL_SECONDS = 0.2


class Told(NamedTuple):
    """One thing told of a node: a row with its values, a gap with its slots, or a text."""

    node: str
    kind: str
    time: int | None = None
    values: dict[str, float] | None = None
    missing: int | None = None
    text: str | None = None


def in_words(told: Told) -> str:
    """A line for a person."""
    when = f"{rfc3339(told.time)[:23]}Z" if told.time is not None else ""
    if told.values is not None:
        said = "  ".join(f"{name}={value:.6g}" for name, value in told.values.items())
    elif told.missing is not None:
        said = f"{told.missing} slots without a row"
    else:
        said = told.text or ""
    return "  ".join(part for part in (told.node, told.kind, when, said) if part)


def line(told: Told) -> str:
    """A line of JSON."""
    there = {key: value for key, value in told._asdict().items() if value is not None}
    return msgspec.json.encode(there).decode()


def parts(node: str, heard: Heard) -> Iterator[Told]:
    """What one look brought, in order of time, faults last."""
    rows = [
        Told(node, "row", int(at), values)
        for at, values in zip(heard.rows.index, _values(heard), strict=True)
    ]
    missing = [Told(node, "gap", gap.start, missing=gap.missing) for gap in heard.gaps]
    yield from sorted([*rows, *missing], key=lambda each: each.time or 0)
    if heard.late:
        yield Told(node, "late", text=f"{heard.late} of these rows came late")
    for text in heard.wrong:
        yield Told(node, "WRONG", text=text)


def _values(heard: Heard) -> Iterator[dict[str, float]]:
    for row in heard.rows.to_dict("records"):
        yield {str(name): value for name, value in row.items() if value == value}  # no NaN


class Following:
    """Follows one node, or all that there are and will be; `wrong` counts what was wrong."""

    def __init__(self, windows: Windows, node: str | None, said: Callable[[Told], str]) -> None:
        self._windows = windows
        self._said = said
        self._followed: dict[str, TimeSeriesData] = {}
        self._followers: dict[str, Follower] = {}
        self._only = node
        if node is not None:
            self._follow(node)
        self._is_away = False
        self._nothing = ""
        self.rows = 0
        self.wrong = 0

    def run(self, seconds: float | None, nothing: str) -> None:
        """Until Ctrl-C, or for so long; says `nothing` where there is none at first.

        Raises FedsightError where nothing came in that time.
        """
        self._nothing = nothing
        deadline = None if seconds is None else time.monotonic() + seconds
        with suppress(KeyboardInterrupt):
            while deadline is None or time.monotonic() < deadline:
                self._look()
                time.sleep(POLL_SECONDS)
            self._look()
            if not self.rows and not self.wrong:
                raise FedsightError(f"nothing came in {seconds:g} s")

    def _look(self) -> None:
        try:
            there = self._windows.nodes()
            for node in there if self._only is None else ():
                self._follow(node)
            if self._nothing and not there:
                print(self._nothing, file=sys.stderr, flush=True)
            self._nothing = ""
            for node, window in self._followed.items():
                self._look_at(node, window)
            self._is_away = False
        except WindowError as error:  # the store is away: it is told, and may come back
            if not self._is_away:
                print(f"fedsight: {error}", file=sys.stderr, flush=True)
            self._is_away = True

    def _follow(self, node: str) -> None:
        if node not in self._followed:
            self._followed[node] = self._windows.window(node)

    def _look_at(self, node: str, window: TimeSeriesData) -> None:
        try:
            df = window.wait_for_dataframe(0)
        except WindowTimeoutError:
            return
        if node not in self._followers:  # what the interval is, the store says once it has rows
            self._followers[node] = Follower(self._windows.interval_ns)
        heard = self._followers[node].look(df)
        self.rows += len(heard.rows)
        self.wrong += len(heard.wrong)
        for told in parts(node, heard):
            print(self._said(told), flush=True)
