"""The command line that every benchmark has."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from rich.console import Console

from benchmarks import table
from benchmarks.machine import commit, this_machine
from benchmarks.report import Findings, Report
from fedsight.errors import FedsightError

RESULTS = Path(__file__).parent / "results"


class Say(Protocol):
    """Tells whoever waits what is being done: one line on standard error."""

    def __call__(self, line: str, /) -> None: ...


class Measure(Protocol):
    """A benchmark: measures, at a smaller scale where `quick`."""

    def __call__(self, quick: bool, say: Say, /) -> Findings: ...


def run(name: str, measure: Measure, arguments: Sequence[str] | None = None) -> int:
    """Run one benchmark as its command line asks; returns the exit code.

    0: measured, whatever the figures; 1: it could not be measured, or, with `--check`, a target
    is missed.
    """
    asked = _parser(name, measure.__doc__ or "").parse_args(arguments)
    machine, measured = this_machine(), commit()
    try:
        findings = measure(asked.quick, lambda line: print(f"{name}: {line}", file=sys.stderr))
    except FedsightError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    scale = {"quick": asked.quick, **findings.scale}
    report = Report(name, measured, machine, scale, findings.figures, findings.targets)
    if not asked.quick:
        _keep(report)
    _show(report, asked.json)
    return 1 if asked.check and not report.met else 0


def _parser(name: str, about: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=about)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--quick", action="store_true", help="a smaller scale, within 50 s; nothing is kept"
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    return parser


def _keep(report: Report) -> None:
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{report.name}.json").write_bytes(report.json(indent=2) + b"\n")


def _show(report: Report, json: bool) -> None:
    if json:
        sys.stdout.buffer.write(report.json() + b"\n")
        sys.stdout.buffer.flush()
    else:
        Console().print(*table.on_screen(report), sep="\n")
