"""How fast samples are stored and found again: the collector beside VictoriaMetrics, InfluxDB and
Prometheus.

All take the same samples in the same run, in turns, each block the next part of them. Stored means
acknowledged: ours is then on disk (fsync), theirs in memory, and on disk some seconds later. With
the round stored means: a column of ours, a field of InfluxDB's, a label of VictoriaMetrics', where
each round is then a series of its own; that arm is given a part of the samples only, as it takes
twenty times as long.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks import collector_load as load
from benchmarks.collector_load import Piece, Shape
from benchmarks.collector_peers import (
    Ours,
    Process,
    influxdb,
    prometheus,
    require_programs,
    victoria_metrics,
)
from benchmarks.collector_queries import Found, queries
from benchmarks.command import Say, run
from benchmarks.measuring import FEWEST_BLOCKS, Spread, ratios, taking_turns
from benchmarks.remote_write import HEADERS, write_request
from benchmarks.report import Findings, Target, at_least, at_most
from benchmarks.sending import Address, seconds_to_send

FULL = Shape(runs=10, clients=100, rounds=2500, rounds_a_body=50)
QUICK = Shape(runs=2, clients=20, rounds=250, rounds_a_body=25)
#: Connections of large bodies, and of small ones: those of many producers.
LARGE, SMALL = 2, 64
SMALL_BODIES = {True: 500, False: 5000}
#: The part of a block that VictoriaMetrics is given with rounds as labels.
WITH_ROUND = 10
LINES = "text/plain"


Cut = Callable[[Sequence[Piece]], Sequence[Piece]]


@dataclass
class Arm:
    """One way of storing: what is sent where, and which of each block's pieces."""

    address: Address
    body: Callable[[Piece], bytes]
    connections: int = LARGE
    cut: Cut = tuple
    sent: int = 0

    def rate(self, block: Sequence[Piece]) -> float:
        """Samples a second of this block."""
        mine = self.cut(block)
        count = sum(piece.samples for piece in mine)
        bodies = [self.body(piece) for piece in mine]
        self.sent += count
        return count / seconds_to_send(self.address, bodies, self.connections)


@dataclass
class Stores:
    """What runs, each in a folder of its own."""

    folder: Path
    running: dict[str, Process] = field(default_factory=dict)

    def start(self, name: str, begin: Callable[[Path], Process]) -> Process:
        """Start one in a new folder, or again in the folder that it had."""
        data = self.folder / name
        data.mkdir(exist_ok=True)
        self.running[name] = begin(data)
        return self.running[name]

    def stop(self) -> None:
        """End all."""
        for process in self.running.values():
            process.stop()


def measure(quick: bool, say: Say) -> Findings:
    """Store ten million samples in every store and ask each the same four questions."""
    require_programs()
    shape = QUICK if quick else FULL
    with tempfile.TemporaryDirectory(prefix="fedsight-bench-") as name:
        stores = Stores(Path(name))
        try:
            arms = _arms(stores, quick, _part(shape))
            rates = _rates(arms, shape, say)
            found = queries(stores, shape, _part(shape) * shape.rounds_a_body, say)
        finally:
            stores.stop()
    scale = {
        "samples": shape.samples,
        "runs": shape.runs,
        "clients": shape.clients,
        "rounds": shape.rounds,
        "samples_a_body": shape.rounds_a_body * shape.samples_a_round,
        "blocks": FEWEST_BLOCKS,
        "connections": LARGE,
        "connections_small": SMALL,
        "samples_with_round_as_label": arms["victoria_round_label"].sent,
    }
    return Findings(scale, _figures(rates, found), _targets(rates, found))


def _part(shape: Shape) -> int:
    """Bodies of each block that VictoriaMetrics is given with rounds as labels, from its first on.

    A block begins with the first rounds of a run in the middle: see `collector_queries`.
    """
    bodies = shape.samples // (shape.rounds_a_body * shape.samples_a_round)
    return max(1, bodies // FEWEST_BLOCKS // WITH_ROUND)


def _arms(stores: Stores, quick: bool, part: int) -> dict[str, Arm]:
    ours, lines = stores.start("ours", Ours), stores.start("ours_lines", Ours)
    small = stores.start("ours_small", Ours)
    assert isinstance(ours, Ours)
    assert isinstance(lines, Ours)
    assert isinstance(small, Ours)
    victoria = stores.start("victoria", victoria_metrics)
    victoria_lines = stores.start("victoria_lines", victoria_metrics)
    victoria_round = stores.start("victoria_round", victoria_metrics)
    victoria_small = stores.start("victoria_small", victoria_metrics)
    influx = stores.start("influx", influxdb)
    prom = stores.start("prometheus", prometheus)
    few = partial(load.small, most=SMALL_BODIES[quick])
    write = "/write?db=fl&precision=ms"
    return {
        "ours": Arm(ours.address("/api/v1/samples?precision=ms"), load.columns),
        "victoria": Arm(Address(victoria.port, "/api/v1/import"), load.import_lines),
        "victoria_round_label": Arm(
            Address(victoria_round.port, "/api/v1/import"),
            load.import_lines_with_round,
            cut=lambda block: block[:part],
        ),
        "ours_lines": Arm(lines.address("/api/v1/write?precision=ms", LINES), load.influx_lines),
        "influx": Arm(Address(influx.port, write), load.influx_lines),
        "victoria_lines": Arm(Address(victoria_lines.port, write), load.influx_lines),
        "prometheus": Arm(Address(prom.port, "/api/v1/write", HEADERS), write_request, 1),
        "ours_small": Arm(small.address("/api/v1/samples?precision=ms"), load.columns, SMALL, few),
        "victoria_small": Arm(
            Address(victoria_small.port, "/api/v1/import"), load.import_lines, SMALL, few
        ),
    }


def _rates(arms: Mapping[str, Arm], shape: Shape, say: Say) -> dict[str, list[float]]:
    """Samples a second of every arm, block by block; all send the same block in turn."""
    source = load.pieces(shape)
    bodies = shape.samples // (shape.rounds_a_body * shape.samples_a_round)
    blocks = [list(islice(source, bodies // FEWEST_BLOCKS)) for _ in range(FEWEST_BLOCKS)]
    turns = {name: _next_of(arm, blocks) for name, arm in arms.items()}
    return taking_turns(turns, FEWEST_BLOCKS, say)


def _next_of(arm: Arm, blocks: Sequence[Sequence[Piece]]) -> Callable[[], float]:
    following = iter(blocks)
    return lambda: arm.rate(next(following))


def _figures(rates: Mapping[str, Sequence[float]], found: Found) -> dict[str, Any]:
    stored = {f"{name}_samples_a_second": Spread.of(values) for name, values in rates.items()}
    compared = {
        f"{one}_over_{other}": Spread.of(_ratio(rates, one, other)) for one, other in COMPARED
    }
    return {**stored, **compared, **found.figures()}


COMPARED = (
    ("ours", "victoria"),
    ("ours", "victoria_round_label"),
    ("ours", "prometheus"),
    ("ours_lines", "influx"),
    ("ours_lines", "victoria_lines"),
    ("ours_small", "victoria_small"),
)


def _ratio(rates: Mapping[str, Sequence[float]], one: str, other: str) -> list[float]:
    return ratios(rates[one], rates[other], float)


def _targets(rates: Mapping[str, Sequence[float]], found: Found) -> list[Target]:
    def times(one: str, other: str) -> float:
        return Spread.of(_ratio(rates, one, other)).median

    return [
        at_least("columnar JSON, samples a second", Spread.of(rates["ours"]).median, 1_000_000),
        at_least("columnar JSON over VictoriaMetrics' lines", times("ours", "victoria"), 0.8),
        at_least(
            "columnar JSON over VictoriaMetrics' with the round stored",
            times("ours", "victoria_round_label"),
            1.0,
        ),
        at_least("line protocol over InfluxDB", times("ours_lines", "influx"), 1.5),
        at_least(
            "bodies of 100 samples over VictoriaMetrics", times("ours_small", "victoria_small"), 0.4
        ),
        *found.targets(at_least, at_most),
    ]


if __name__ == "__main__":
    sys.exit(run("collector", measure))
