"""Where nodes' telemetry lies: recorded series, a CSV file each, or windows that go on growing."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fedsight.config import load
from fedsight.errors import SeriesError, UsageError
from fedsight.forecast import series
from fedsight.forecast.derived import UNITS, derived
from fedsight.forecast.model import ModelShape
from fedsight.forecast.processor import prepared
from fedsight.forecast.sequences import Split
from fedsight.telemetry.windows import Windows, is_node, node_name
from fedsight.telemetry.windows.opening import opened

SUFFIX = ".csv"
#: How so many rows are shared out in time.
Splits = Callable[[int], Split]
#: Longer headers are of no series.
_MOST_HEADER = 64 * 1024
_TIMES = (series.TEXT_TIME, *series.INTEGER_TIME)


def is_recorded(source: str) -> bool:
    """Whether recorded series lie there, and not windows."""
    path = Path(source)
    return path.suffix == SUFFIX or (path.is_dir() and any(path.glob(f"*{SUFFIX}")))


def recorded(source: str) -> dict[str, str]:
    """The files of a folder by the names of their nodes, which are the files' own, in order.

    Raises UsageError where a file's name is none that a node may have.
    """
    path = Path(source)
    files = [path] if path.suffix == SUFFIX else sorted(path.glob(f"*{SUFFIX}"))
    for file in files:
        if not is_node(file.stem):
            raise UsageError(
                f"{file} is called as no node may be: a node's name has 1 to 128 letters, digits,"
                " '.', '_' and '-', the first a letter or digit"
            )
    return {file.stem: str(file) for file in files}


@contextmanager
def windows(source: str) -> Iterator[Windows]:
    """The windows that lie there, or those in dataClay where the settings say so."""
    with opened(load().windows, Path(source)) as found:
        yield found


@dataclass(frozen=True)
class Standing:
    """How far a node is: its rows, of so many needed, and what is lacking; None: nothing."""

    rows: int
    needed: int
    lacking: str | None


def standings(source: str, shape: ModelShape, needed: int, split: Splits) -> dict[str, Standing]:
    """How far each node is whose window lies there, by name."""
    with windows(source) as found:
        frames = {node: found.window(node).get_dataframe() for node in found.nodes()}
    return {node: _standing(frame, shape, needed, split) for node, frame in frames.items()}


def _standing(frame: pd.DataFrame, shape: ModelShape, needed: int, split: Splits) -> Standing:
    rows = len(frame)
    if rows < needed:
        return Standing(rows, needed, f"{rows} of {needed} rows")
    try:
        prepared(frame, shape, split(rows))
    except SeriesError as error:
        return Standing(rows, needed, str(error))
    return Standing(rows, needed, None)


def rows(source: str, node: str) -> pd.DataFrame:
    """All that there is of one node. Raises SeriesError, UsageError or WindowError saying why."""
    name = node_name(node)
    if not is_recorded(source):
        with windows(source) as there:
            found = there.window(name).get_dataframe()
        if found.empty:
            raise SeriesError(f"it has no window in {source} yet")
        return found
    path = Path(source)
    return series.read(path / f"{name}{SUFFIX}" if path.is_dir() else path)


def columns(source: str) -> tuple[str, ...]:
    """What there is to foresee: of a file its columns, or what is derived from them; else W, load
    and MB. Of a file only the first line is read.

    Raises UsageError where that line is none.
    """
    if not source or not is_recorded(source):
        return tuple(UNITS)
    first = next(iter(recorded(source).values()))
    there = _header(Path(first))
    known = [name for name in UNITS if name in derived(pd.DataFrame(columns=there, dtype=float))]
    found = known or [name for name in there if name not in _TIMES]
    if not found or any("," in name for name in found):
        wanted = ", ".join(_TIMES)
        raise UsageError(
            f"{first} must begin with a line of column names, one of {wanted} and at least one more"
        )
    return tuple(found)


def _header(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return next(csv.reader([file.readline(_MOST_HEADER)]), [])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} is no readable CSV file: {error}") from error
