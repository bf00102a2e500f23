"""Runs the real command in a process of its own, with a data directory and nothing inherited."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

FEDSIGHT = (sys.executable, "-m", "fedsight")
#: A run of well under a second.
TINY = ("--task", "digits", "--nodes", "3", "--rounds", "2", "--epochs", "1", "--port", "0")
#: A run that does not end by itself while a test watches.
LONG = ("--task", "digits", "--nodes", "3", "--rounds", "100000", "--epochs", "1", "--port", "0")


def environment(data: Path, **more: str) -> dict[str, str]:
    """The environment of a command whose data directory is `data`."""
    foreign = ("FEDSIGHT_", "COLLECTOR_", "LOG_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**kept, "FEDSIGHT_DATA": str(data), "COLUMNS": "100", **more}


def fedsight(data: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run to the end; the exit code is the caller's to check."""
    return subprocess.run(
        [*FEDSIGHT, *arguments],
        cwd=next(path for path in data.parents if path.is_dir()),
        env=environment(data, **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def exported(data: Path, run: str, table: str) -> list[dict[str, Any]]:
    """What the store has of a run in one table, row by row."""
    done = fedsight(data, "export", run, "--table", table)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def started(data: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """Start; the caller reads its output and ends it."""
    return subprocess.Popen(
        [*FEDSIGHT, *arguments],
        cwd=next(path for path in data.parents if path.is_dir()),
        env=environment(data, PYTHONUNBUFFERED="1", **more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def line_with(process: subprocess.Popen[str], text: str) -> str:
    """The first line of its output that holds `text`."""
    assert process.stdout is not None
    seen = []
    for line in process.stdout:
        seen.append(line)
        if text in line:
            return line
    raise AssertionError(f"ended without {text!r}: {''.join(seen)}{process.stderr.read()}")
