"""Runs side by side, as lines of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from fedsight.cli.options import UNKNOWN, duration, figure, size

if TYPE_CHECKING:
    from fedsight.collector.reading.compare import Comparison, Figure

#: A cell is cut to so many characters.
WIDEST = 28
GAP = "  "


def side_by_side(found: Comparison) -> list[str]:
    """Figures with their distance to the first run, then the settings that differ."""
    runs = found.runs
    head = [
        ["", *(run.id for run in runs)],
        ["state", *(run.state for run in runs)],
        ["started", *((run.started or UNKNOWN)[:19].replace("T", " ") for run in runs)],
    ]
    figures = [[each.name, *_cells(each)] for each in found.figures]
    settings = [[each.key, *(_told(value) for value in each.values)] for each in found.differences]
    lines = aligned([*head, *figures, *settings])
    parted = len(head) + len(figures)
    shared = f"{len(found.same)} settings are the same"
    different = ["", "settings that differ:", *lines[parted:]] if settings else []
    return [*lines[:parted], *different, "", shared]


def _cells(found: Figure) -> list[str]:
    first, *others = [_value(found.name, value) for value in found.values]
    deltas = zip(others, found.deltas[1:], strict=True)
    return [first, *(f"{told}{_delta(found.name, delta)}" for told, delta in deltas)]


def _value(name: str, value: float | None) -> str:
    if name.endswith("_bytes"):
        return size(value)
    if name == "seconds":
        return duration(value)
    return UNKNOWN if value is None else str(value) if isinstance(value, int) else figure(value)


def _delta(name: str, delta: float | None) -> str:
    """How far a figure is from the first run's; nothing where it is not known, or equal."""
    if not delta:
        return ""
    sign = "+" if delta > 0 else "-"
    return f" ({sign}{_value(name, abs(delta))})"


def _told(value: Any) -> str:
    if value is None:
        return "-"
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines, each column as wide as its widest cell."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    padded = (
        GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )
    return [line.rstrip() for line in padded]
