"""What a benchmark ran on: enough to judge its figures by, nothing that names the machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Machine:
    """`load_average` is over 1, 5 and 15 minutes, as the benchmark began."""

    cpu: str
    cores: int
    memory_bytes: int
    load_average: tuple[float, float, float]
    python: str
    torch: str
    flwr: str


def this_machine() -> Machine:
    """The machine at this moment."""
    return Machine(
        cpu=cpu_model(_read(Path("/proc/cpuinfo"))) or platform.processor() or "unknown",
        cores=os.cpu_count() or 0,
        memory_bytes=psutil.virtual_memory().total,
        load_average=os.getloadavg(),
        python=platform.python_version(),
        torch=importlib.metadata.version("torch"),
        flwr=importlib.metadata.version("flwr"),
    )


def cpu_model(cpuinfo: str) -> str | None:
    """The model name in the text of /proc/cpuinfo; None where it does not say."""
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip() or None
    return None


def commit() -> str | None:
    """The commit that is checked out, `+changes` after it where source differs; None outside git.

    Results and pages that benchmarks themselves write are no such difference.
    """
    found = _git("rev-parse", "--short=12", "HEAD")
    if found is None:
        return None
    changed = _git("status", "--porcelain", "--", "src", "benchmarks/*.py", "pyproject.toml")
    return f"{found}+changes" if changed else found


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
