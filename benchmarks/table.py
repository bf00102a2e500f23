"""Reports as tables: on the screen, and as the Markdown of docs/benchmarks.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from rich.markup import escape
from rich.table import Table

from benchmarks.report import Report


def on_screen(report: Report) -> list[Table | str]:
    """Targets, figures and the machine of one report, to print with rich."""
    targets = Table("target", "value", "bound", "met", title=report.name, title_justify="left")
    for target in report.targets:
        met = "[green]yes" if target.met else "[bold red]no"
        targets.add_row(escape(target.what), number(target.value), number(target.bound), met)
    figures = Table("figure", "value")
    for name, value in flat(msgspec.json.decode(report.json())["figures"]):
        figures.add_row(name, escape(value))
    return [targets, figures, f"{_scale(report)}\n{_machine(report)}"]


def markdown(reports: Sequence[Report]) -> str:
    """A page with every report: its targets, then its figures."""
    sections = [_INTRODUCTION, *(_section(report) for report in reports)]
    return "\n".join(sections)


_INTRODUCTION = """# Benchmarks

Written by `make bench` (`python -m benchmarks`); the same figures as JSON are in
`benchmarks/results/`. Ours, the limit's and the peer's come from the same run, taken in turns;
a ratio is the median of the ratios within each turn, its quartiles in brackets.
"""


def _section(report: Report) -> str:
    lines = [
        f"## {report.name}",
        "",
        f"{_scale(report)}. {_machine(report)}. Commit {report.commit or 'unknown'}.",
        "",
        "| target | value | bound | met |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {target.what} | {number(target.value)} | {number(target.bound)} "
        f"| {'yes' if target.met else '**no**'} |"
        for target in report.targets
    ]
    lines += ["", "| figure | value |", "|---|---|"]
    figures = msgspec.json.decode(report.json())["figures"]
    lines += [f"| {name} | {value} |" for name, value in flat(figures)]
    return "\n".join([*lines, ""])


def flat(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Named leaves of nested JSON, as text: `tiny ratio to plain`, `1.13 [1.11 to 1.15]`."""
    if isinstance(value, dict) and set(value) == {"median", "quartiles", "extremes", "count"}:
        low, high = value["quartiles"]
        median = number(value["median"])
        yield name, f"{median} [{number(low)} to {number(high)}], {value['count']} times"
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from flat(item, f"{name} {key}".strip().replace("_", " "))
    elif isinstance(value, list):
        yield name, ", ".join(number(item) for item in value)
    else:
        yield name, number(value)


def number(value: Any) -> str:
    """A figure as a person reads it: four significant digits, yes or no, unknown."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _scale(report: Report) -> str:
    size = "Quick, smaller than the targets ask for" if report.scale["quick"] else "Full scale"
    details = [f"{name} {text}" for name, text in flat(_without_quick(report.scale))]
    return f"{size}: {', '.join(details)}"


def _without_quick(scale: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in scale.items() if key != "quick"}


def _machine(report: Report) -> str:
    machine = report.machine
    load = ", ".join(f"{value:.2f}" for value in machine.load_average)
    return (
        f"{machine.cpu}, {machine.cores} cores, {machine.memory_bytes / 2**30:.0f} GiB, "
        f"load {load}; Python {machine.python}, torch {machine.torch}, flwr {machine.flwr}"
    )
