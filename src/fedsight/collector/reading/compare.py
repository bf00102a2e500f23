"""Runs side by side: what differs in their configuration, and their final figures.

Pure: works on summaries, wherever they come from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from msgspec import Struct

from fedsight.collector.reading.rows import RunSummary

Better = Literal["higher", "lower"]

#: Figures of a summary, and which way is better where one is.
FIGURES: dict[str, Better | None] = {
    "accuracy": "higher",
    "best_accuracy": "higher",
    "loss": "lower",
    "seconds": "lower",
    "round": None,
    "failures": "lower",
    "payload_up_bytes": "lower",
    "payload_down_bytes": "lower",
}
#: What a summary says of a run's settings beside its configuration.
SETTINGS = ("task", "strategy", "engine", "model_parameters")


class Figure(Struct, frozen=True):
    """One figure of every run, in order; a delta is to the first run, None where not known."""

    name: str
    better: Better | None
    values: list[float | None]
    deltas: list[float | None]


class Difference(Struct, frozen=True):
    """A setting that is not the same in all runs; None where a run has it not, or has null."""

    key: str
    values: list[Any]


class Comparison(Struct, frozen=True):
    """Runs side by side, in the order asked for."""

    runs: list[RunSummary]
    figures: list[Figure]
    differences: list[Difference]
    same: dict[str, Any]


def compared(runs: Sequence[RunSummary]) -> Comparison:
    """What the runs share and where they differ; keys in order of the alphabet."""
    settings = [dict(_flat(settings_of(run))) for run in runs]
    keys = sorted({key for each in settings for key in each})
    same: dict[str, Any] = {}
    differences: list[Difference] = []
    for key in keys:
        values = [each.get(key) for each in settings]
        everywhere = all(key in each for each in settings)
        if everywhere and all(_equal(value, values[0]) for value in values):
            same[key] = values[0]
        else:
            differences.append(Difference(key, values))
    figures = [_figure(name, better, runs) for name, better in FIGURES.items()]
    return Comparison(list(runs), figures, differences, same)


def settings_of(run: RunSummary) -> dict[str, Any]:
    """The run's configuration with what its summary adds: task, strategy, engine, nodes, rounds."""
    known: dict[str, Any] = {name: getattr(run, name) for name in SETTINGS}
    known |= {"nodes": len(run.nodes) or None, "rounds": run.rounds}
    said = {name: value for name, value in known.items() if value is not None}
    return said | run.config


def _flat(settings: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Nested objects as `outer.inner`; lists stay whole."""
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _equal(one: Any, other: Any) -> bool:
    """Equal as JSON is: `true` is not 1, while 1 and 1.0 are one number."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _figure(name: str, better: Better | None, runs: Sequence[RunSummary]) -> Figure:
    values = [getattr(run, name) for run in runs]
    first = values[0]
    deltas = [None if value is None or first is None else value - first for value in values]
    return Figure(name, better, values, deltas)
