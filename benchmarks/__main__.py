"""Runs every benchmark, each in a process of its own, and writes docs/benchmarks.md.

`python -m benchmarks --quick` runs the smaller scale of each and writes nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence

import msgspec
from rich.console import Console

from benchmarks import table
from benchmarks.machine import ROOT
from benchmarks.report import Report
from fedsight.errors import FedsightError

NAMES = (
    "accuracy",
    "overhead",
    "simulation",
    "startup",
    "dashboard",
    "deployment",
    "aggregation",
    "algorithms",
    "collector",
    "anomalies",
    "attacks",
    "exports",
    "otlp",
    "forecast",
    "policy",
    "promql",
    "stream",
    "windows",
)
PAGE = ROOT / "docs" / "benchmarks.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 where all were measured, 1 where one could not be."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smaller scale; writes nothing")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    asked = parser.parse_args(arguments)
    try:
        reports = [_report(name, asked.quick) for name in NAMES]
    except FedsightError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if not asked.quick:
        PAGE.write_text(table.markdown(reports), encoding="utf-8")
    console = Console()
    for report in reports:
        console.print(*table.on_screen(report), sep="\n")
    return 1 if asked.check and not all(report.met for report in reports) else 0


def _report(name: str, quick: bool) -> Report:
    """Run one benchmark; what it says meanwhile goes to standard error."""
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json"]
    command += ["--quick"] if quick else []
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise FedsightError(f"benchmark {name} could not be measured")
    try:
        return Report.read(done.stdout)
    except msgspec.MsgspecError as error:
        raise FedsightError(f"benchmark {name} printed something else: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
