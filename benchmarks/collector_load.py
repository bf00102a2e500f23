"""The samples of `benchmarks.collector`, as each peer's format has them. Made from a seed.

Runs follow each other; in each round every client gives a few figures. A body holds several rounds,
as a shipment does: its columns and lines are in the order in which the rounds happened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

METRICS = ("train_loss", "train_accuracy", "train_seconds", "upload_seconds")
#: 2026-11-20T00:00:00Z: all samples lie before the benchmark's day.
BEGIN_MS = 1_795_132_800_000
ROUND_MS = 5_000
SEED = 20_261_120


@dataclass(frozen=True)
class Shape:
    """How many of what: `samples` in all is their product with the metrics."""

    runs: int
    clients: int
    rounds: int
    rounds_a_body: int

    @property
    def samples(self) -> int:
        """All samples."""
        return self.runs * self.rounds * self.samples_a_round

    @property
    def samples_a_round(self) -> int:
        """Samples of one round."""
        return self.clients * len(METRICS)

    @property
    def end_ms(self) -> int:
        """The time of the last sample."""
        return self.time_ms(self.runs - 1, self.rounds - 1)

    def time_ms(self, run: int, round_: int) -> int:
        """When a round of a run ended."""
        return BEGIN_MS + (run * self.rounds + round_) * ROUND_MS


@dataclass(frozen=True)
class Piece:
    """Some rounds of one run; `values` has a row for each round, then client, then metric."""

    shape: Shape
    run: int
    first: int
    values: NDArray[np.float64]

    @property
    def rounds(self) -> range:
        """The rounds of this piece."""
        return range(self.first, self.first + len(self.values))

    @property
    def samples(self) -> int:
        """How many samples it holds."""
        return int(self.values.size)

    def times(self) -> list[int]:
        """The time of each round, ms."""
        return [self.shape.time_ms(self.run, round_) for round_ in self.rounds]


def pieces(shape: Shape) -> Iterator[Piece]:
    """All samples, in the order in which they happen."""
    random = np.random.default_rng(SEED)
    for run in range(shape.runs):
        for first in range(0, shape.rounds, shape.rounds_a_body):
            count = min(shape.rounds_a_body, shape.rounds - first)
            values = random.random((count, shape.clients, len(METRICS))).round(4)
            yield Piece(shape, run, first, values)


def columns(piece: Piece) -> bytes:
    """Columnar JSON of `POST /api/v1/samples?precision=ms`, with rounds."""
    labels = [{"run": f"r-{piece.run}", "node": f"client-{n}"} for n in range(piece.shape.clients)]
    series = [{"name": f"fl_client_{m}", "labels": of} for of in labels for m in METRICS]
    return _columns(series, piece.values.reshape(-1), piece.times(), [*piece.rounds])


def _columns(
    series: list[dict[str, Any]],
    values: NDArray[np.float64],
    times: list[int],
    rounds: list[int],
) -> bytes:
    each = len(series)
    body = {
        "series": series,
        "index": [*range(each)] * len(rounds),
        "time": np.repeat(times, each).tolist(),
        "value": values.tolist(),
        "round": np.repeat(rounds, each).tolist(),
    }
    return msgspec.json.encode(body)


def import_lines(piece: Piece) -> bytes:
    """VictoriaMetrics' own lines, a series each; a round has no place in them."""
    times = piece.times()
    return b"\n".join(
        msgspec.json.encode({"metric": name, "values": values.tolist(), "timestamps": times})
        for name, values in series_of(piece)
    )


def import_lines_with_round(piece: Piece) -> bytes:
    """The same with the round as a label: each round is a series of its own."""
    return b"\n".join(
        msgspec.json.encode(
            {"metric": {**name, "round": str(round_)}, "values": [value], "timestamps": [time]}
        )
        for name, values in series_of(piece)
        for round_, value, time in zip(piece.rounds, values.tolist(), piece.times(), strict=True)
    )


def series_of(piece: Piece) -> Iterator[tuple[dict[str, str], NDArray[np.float64]]]:
    for client in range(piece.shape.clients):
        for at, metric in enumerate(METRICS):
            labels = {"run": f"r-{piece.run}", "node": f"client-{client}"}
            yield {"__name__": f"fl_client_{metric}", **labels}, piece.values[:, client, at]


def influx_lines(piece: Piece) -> bytes:
    """InfluxDB's lines, all figures of a client in one, with the round as a field; times in ms."""
    lines = []
    for round_, time, of_round in zip(
        piece.rounds, piece.times(), piece.values.tolist(), strict=True
    ):
        for client, of_client in enumerate(of_round):
            fields = ",".join(f"{m}={v}" for m, v in zip(METRICS, of_client, strict=True))
            head = f"fl_client,node=client-{client},run=r-{piece.run}"
            lines.append(f"{head} {fields},round={round_}i {time}")
    return "\n".join(lines).encode()


def small(block: Sequence[Piece], most: int) -> list[Piece]:
    """Pieces of 100 samples: what 25 clients give in one round; at most so many."""
    found = []
    for piece in block:
        shape = Shape(piece.shape.runs, min(25, piece.shape.clients), piece.shape.rounds, 1)
        for at, round_ in enumerate(piece.rounds):
            found.append(
                Piece(shape, piece.run, round_, piece.values[at : at + 1, : shape.clients])
            )
    return found[:most]
