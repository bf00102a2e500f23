"""How long an export takes, and that its memory does not grow with the store.

A sealed store of one run: 100 clients, five figures each a round. Each export is made in a process
of its own, from the closed store, as `fedsight export` makes it: the table `samples` alone. Memory
is the peak beyond what the process held before. The larger store has five times the samples.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.command import Say, run
from benchmarks.exported import Made
from benchmarks.machine import ROOT
from benchmarks.measuring import FEWEST_BLOCKS, Spread, taking_turns
from benchmarks.report import Findings, at_most
from fedsight.collector.ingest import Ingest
from fedsight.collector.store.archive import Archive
from fedsight.collector.store.readers import Readers
from fedsight.collector.store.retention import Upkeeping
from fedsight.collector.store.schema import FILE_NAME
from fedsight.collector.store.storefile import open_store
from fedsight.collector.store.upkeep import Upkeep
from fedsight.errors import FedsightError
from fedsight.signals import Batch, SampleColumns, Series

SAMPLES, TIMES = 1_000_000, 5
QUICK_SAMPLES = 20_000
NODES = 100
FIGURES = ("train_seconds", "cpu_seconds", "queued_seconds", "train_loss", "train_accuracy")
#: Format and aggregation of each arm.
ARMS = (("parquet", "raw"), ("csv", "raw"), ("json", "raw"), ("parquet", "1m"))
QUICK_ARMS = ARMS[:1]
#: What the larger store may take, in units of the smaller one's peak, and in megabytes.
MOST_TIMES, MOST_MEGABYTES = 1.5, 600.0
START = 1_795_341_120 * 10**9
ROUNDS_AT_ONCE = 200


def measure(quick: bool, say: Say) -> Findings:
    """Export two stores, one of five times the other's size; seconds and peak memory."""
    samples = QUICK_SAMPLES if quick else SAMPLES
    arms = QUICK_ARMS if quick else ARMS
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder) / "small", Path(folder) / "large"
        say(f"stores of {samples:,} and {TIMES * samples:,} samples")
        fill(small, samples)
        fill(large, TIMES * samples)
        calls: dict[str, Callable[[], Made]] = {
            f"{size.name} {form} {grain}": partial(made, size, form, grain)
            for size, forms in ((small, arms[:1]), (large, arms))
            for form, grain in forms
        }
        found = taking_turns(calls, FEWEST_BLOCKS, say)
    return _findings(found, samples)


def _findings(found: dict[str, list[Made]], samples: int) -> Findings:
    figures: dict[str, object] = {}
    for name, each in found.items():
        key = name.replace(" ", "_")
        figures[f"{key}_seconds"] = Spread.of([one.seconds for one in each])
        figures[f"{key}_peak_megabytes"] = Spread.of([one.peak_bytes / 1e6 for one in each])
        figures[f"{key}_file_bytes"] = each[0].file_bytes
    peaks = {
        name: Spread.of([one.peak_bytes for one in each]).median for name, each in found.items()
    }
    first = f"{ARMS[0][0]} {ARMS[0][1]}"
    times = peaks[f"large {first}"] / peaks[f"small {first}"]
    most = max(peaks.values()) / 1e6
    targets = [
        at_most(f"peak memory for {TIMES} times the samples, in times", times, MOST_TIMES),
        at_most("peak memory of any export, MB", most, MOST_MEGABYTES),
    ]
    scale = {"samples": samples, "larger": TIMES * samples, "series": NODES * len(FIGURES)}
    return Findings(scale, figures, targets)


def fill(folder: Path, samples: int) -> None:
    """A store of about so many samples, sealed and merged."""
    folder.mkdir()
    connection, _ = open_store(folder)
    ingest = Ingest(connection, folder / FILE_NAME, lambda: None)
    series = [
        Series(f"fl_client_{name}", {"run": "r-1", "node": f"client-{node}"})
        for name in FIGURES
        for node in range(NODES)
    ]
    last, generator = samples // len(series), np.random.default_rng(0)
    for first in range(0, last, ROUNDS_AT_ONCE):
        rounds = range(first, min(last, first + ROUNDS_AT_ONCE))
        ingest.keep(Batch(_columns(series, rounds, generator))).result(60)
    readers = Readers(folder / FILE_NAME)
    assert isinstance(readers.archive, Archive)
    upkeep = Upkeep(readers.archive, ingest, folder / FILE_NAME, Upkeeping())
    upkeep.compact()
    upkeep.close()
    readers.close()
    ingest.close()


def _columns(series: list[Series], rounds: range, generator: np.random.Generator) -> SampleColumns:
    """One sample a series and round, rounds a second apart."""
    width = len(series)
    times = [START + round_ * 10**9 + at for round_ in rounds for at in range(width)]
    values = generator.random(len(times)).tolist()
    numbers: list[int | None] = [round_ for round_ in rounds for _ in range(width)]
    return SampleColumns(series, list(range(width)) * len(rounds), times, values, numbers)


def made(store: Path, form: str, grain: str) -> Made:
    """Make one export in a process of its own. Raises FedsightError where it fails."""
    command = [sys.executable, "-m", "benchmarks.exported", str(store), form, grain]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise FedsightError(f"the export {form} {grain} failed: {done.stderr[-500:]}")
    return msgspec.json.decode(done.stdout, type=Made)


if __name__ == "__main__":
    sys.exit(run("exports", measure))
