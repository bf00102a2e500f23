"""Forecasts of nodes' load: every baseline, local, centralised and federated models, and mixtures.

`--data FOLDER`, or the variable NAB_DATA, names a folder of the Numenta Anomaly Benchmark's CSV
files. Its `ec2_cpu_utilization_*` are eight nodes, on whose like the design was chosen; its
`rds_*`, `ec2_network_in_*` and `ec2_disk_write_bytes_*` are six nodes that nothing was chosen on.
Without a folder the series are made up. `--telemetry FILE` measures a machine's recorded telemetry
instead, and is kept as a report of its own. The first 70 % of each series are trained on, the next
10 % choose, and the last 20 % are foreseen, once. `--workers N` seeds run at the same time;
`--rounds N` is how many rounds there are to choose from.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import command
from benchmarks.anomalies import VARIABLE
from benchmarks.command import Say
from benchmarks.forecast_bounds import LESS_MEDIAN, bounds
from benchmarks.forecast_nodes import CHOSEN, MADE_UP, METRIC, SHAPE, TELEMETRY, UNSEEN, Node, nodes
from benchmarks.forecast_rows import (
    MEDIAN,
    Row,
    averaged,
    baseline_rows,
    by_method,
    learned_rows,
    overall,
)
from benchmarks.report import Findings, Target, at_most
from fedsight.errors import UsageError
from fedsight.forecast.fan import forecasts
from fedsight.forecast.model import Forecaster, ModelShape
from fedsight.forecast.scale import Scale

SEEDS, ROUNDS = 5, 150
#: Horizons in steps, of which each figure is told, before the mean over all.
HORIZONS = (1, 10, 100)
#: Bootstrap over blocks of as many origins as a horizon has: neighbours share their targets.
DRAWS, BLOCK = 2000, 100
NODES_AT_ONCE, TURNS, MOST_MILLISECONDS = 100, 30, 200.0


def measure(
    source: Path | None,
    sets: Sequence[str],
    workers: int,
    asked: int,
    quick: bool,
    say: Say,
) -> Findings:
    """Every row on every set, over several seeds, `workers` of them at once; `asked` rounds."""
    seeds, rounds = (1, 2) if quick else (SEEDS, asked)
    rows, over = {}, {which: nodes(which, source, quick) for which in sets}
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, seeds), spawning) as pool:
        waits = {
            which: [
                pool.submit(learned_rows, which, source, quick, seed, rounds)
                for seed in range(seeds)
            ]
            for which in sets
        }
        for which, futures in waits.items():
            say(f"{which}: {len(over[which])} nodes")
            found = []
            for future in futures:
                found.append(future.result())
                say(f"{which}: {len(found)} of {seeds} seeds done")
            learned = by_method(found)
            rows[which] = {**_alone(baseline_rows(which, over[which])), **learned}
    figures: dict[str, Any] = {which: _figures(over[which], rows[which]) for which in sets}
    figures["milliseconds_for_100_nodes"] = speed = _milliseconds()
    scale = {
        "seeds": seeds,
        "rounds": rounds,
        "made_up": source is None,
        "rows": {which: [len(node.series) for node in each] for which, each in over.items()},
        "origins": {which: [len(node.at) for node in each] for which, each in over.items()},
    }
    return Findings(scale, figures, _targets(sets, figures, speed))


def _alone(rows: Mapping[str, Row]) -> dict[str, list[Row]]:
    return {name: [row] for name, row in rows.items()}


def _figures(over: Sequence[Node], rows: Mapping[str, list[Row]]) -> dict[str, Any]:
    mean = {name: averaged(each) for name, each in rows.items()}
    return {
        "methods": {name: _method(mean[name], rows[name]) for name in rows},
        "nodes": {
            f"{node.name} {node.unit}".strip(): {
                name: _of_node(row, at) for name, row in mean.items()
            }
            for at, node in enumerate(over)
        },
        **{called: _difference(mean[name], mean[MEDIAN]) for name, called in LESS_MEDIAN.items()},
    }


def _method(row: Row, seeds: Sequence[Row]) -> dict[str, Any]:
    """Means over nodes, at each horizon and over all; spread over seeds, and over nodes."""
    spread = [float(one.mase.mean()) for one in row.nodes]
    told: dict[str, Any] = {
        name: _at_horizons(np.mean([getattr(one, name) for one in row.nodes], axis=0))
        for name in ("mase", "mae", "rmse")
    }
    told["sd_over_seeds"] = float(np.std([overall(one) for one in seeds])) if seeds[1:] else None
    told["nodes_from_to"] = [min(spread), max(spread)]
    if row.held is not None:
        by_node, held = [float(one.coverage.mean()) for one in row.nodes], row.held
        if np.isfinite(by_node).all():
            told["coverage"] = [float(np.mean(by_node)), min(by_node), max(by_node)]
        told["coverage_corrected"] = [float(held.mean()), float(held.min()), float(held.max())]
    return told


def _at_horizons(values: np.ndarray) -> list[float]:
    return [*(float(values[step - 1]) for step in HORIZONS), float(values.mean())]


def _of_node(row: Row, at: int) -> list[float]:
    """One node's MASE, MAE and RMSE over all horizons."""
    one = row.nodes[at]
    return [float(each.mean()) for each in (one.mase, one.mae, one.rmse)]


def _difference(one: Row, other: Row) -> dict[str, float]:
    """How much better the first is in MASE (negative), and the interval of 95 % that a bootstrap
    over blocks of origins gives, the same blocks on every node (Künsch 1989)."""
    assert one.scaled is not None
    assert other.scaled is not None
    each = (one.scaled - other.scaled).mean(axis=0)
    rng = np.random.default_rng(0)
    block = min(BLOCK, len(each))
    begins = rng.integers(0, len(each) - block + 1, (DRAWS, -(-len(each) // block)))
    drawn = each[begins[..., None] + np.arange(block)].mean(axis=(1, 2))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"mean": float(each.mean()), "low": float(low), "high": float(high)}


def _milliseconds() -> float:
    """One forecast of 100 steps for 100 nodes, from rows to values in real units: the median."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    model = Forecaster(ModelShape((METRIC,)), torch.Generator().manual_seed(0))
    rows = rng.standard_normal((NODES_AT_ONCE, SHAPE.rows, 1))
    scales = [Scale(np.zeros(1), np.ones(1))] * NODES_AT_ONCE
    taken = []
    for _ in range(TURNS):
        began = time.perf_counter()
        forecasts(model, rows, scales)
        taken.append(1e3 * (time.perf_counter() - began))
    torch.set_num_threads(threads)
    return statistics.median(taken)


def _targets(sets: Sequence[str], figures: Mapping[str, Any], speed: float) -> list[Target]:
    """The bounds of the first set, and of the others by their names; then that of time."""
    found = [
        each
        for at, which in enumerate(sets)
        for each in bounds(figures[which], f"{which}: " if at else "")
    ]
    return [*found, at_most("milliseconds for 100 nodes, 100 steps", speed, MOST_MILLISECONDS)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code; see `command.run`."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--data", type=Path, default=os.environ.get(VARIABLE))
    parser.add_argument("--telemetry", type=Path)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    asked, rest = parser.parse_known_args(arguments)
    source, sets, name = asked.telemetry, [TELEMETRY], "forecast_telemetry"
    if source is None:
        source = None if asked.data is None else Path(asked.data)
        sets, name = [CHOSEN, UNSEEN] if source else [MADE_UP], "forecast"
    if source is not None and not source.exists():
        raise UsageError(f"{source} is not there")
    measured = partial(measure, source, sets, asked.workers, asked.rounds)
    measured.__doc__ = __doc__
    return command.run(name, measured, rest)


if __name__ == "__main__":
    sys.exit(main())
