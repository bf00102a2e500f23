"""Federated averaging over flat models.

McMahan et al. 2017, "Communication-efficient learning of deep networks from decentralized data".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import numpy as np
from flwr.app import ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy

from fedsight.federated import codec
from fedsight.federated.client import CONFIG, METRICS, NUM_EXAMPLES, ROUND
from fedsight.federated.flat import Vector

#: Values that are multiplied and added at once: half a megabyte of float32.
_BLOCK = 1 << 17


class WeightedMean:
    """A running mean of vectors weighted by their samples: one vector held, however many come.

    Adds `vector * samples` in the order given and divides once at the end, in the vectors' own
    dtype, so that the result depends on that order alone. Products are made a block at a time,
    which stays in the processor's cache.
    """

    def __init__(self) -> None:
        self._sum: Vector | None = None
        self._product: Vector = np.empty(0, np.float32)
        self.samples = 0

    def add(self, vector: Vector, samples: int) -> None:
        """Take in one update, shape (n,), that stands for `samples` samples."""
        weight = vector.dtype.type(samples)
        self.samples += samples
        if self._sum is None:
            self._sum = vector * weight
            self._product = np.empty(min(_BLOCK, len(vector)), vector.dtype)
            return
        for start in range(0, len(vector), _BLOCK):
            part = vector[start : start + _BLOCK]
            product = np.multiply(part, weight, out=self._product[: len(part)])
            self._sum[start : start + _BLOCK] += product

    def result(self) -> Vector | None:
        """The mean, or None where nothing with samples came. The running sum is used up."""
        if self._sum is None or self.samples == 0:
            return None
        self._sum /= self._sum.dtype.type(self.samples)
        return self._sum


class FedAvg(Strategy):
    """Trains every node that the grid shows and averages their models by samples.

    Which nodes train is `Selected`'s to decide. Replies are averaged in the order they come in.
    """

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> list[Message]:
        config[ROUND] = server_round
        content = RecordDict()
        content[codec.ARRAYS] = arrays
        content[CONFIG] = config
        return [Message(content, node_id, MessageType.TRAIN) for node_id in grid.get_node_ids()]

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        mean, figures = WeightedMean(), _MeanFigures()
        for reply in replies:
            if reply.has_error():
                continue
            content = reply.content
            metrics = cast(MetricRecord, content[METRICS])
            samples = cast(int, metrics[NUM_EXAMPLES])
            mean.add(codec.unpack(cast(ArrayRecord, content[codec.ARRAYS])), samples)
            figures.add(metrics, samples)
        vector = mean.result()
        return (None, None) if vector is None else (codec.pack(vector), figures.result())

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> list[Message]:
        """Nothing: the global model is evaluated on the server's held-out data."""
        return []

    def aggregate_evaluate(
        self, server_round: int, replies: Iterable[Message]
    ) -> MetricRecord | None:
        return None

    def summary(self) -> None:
        """Nothing to say beyond the run's own configuration."""


class _MeanFigures:
    """Means of clients' figures, weighted by samples, of what each of them reports."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._weights: dict[str, int] = {}

    def add(self, metrics: MetricRecord, samples: int) -> None:
        for key, value in metrics.items():
            if key != NUM_EXAMPLES and not isinstance(value, list):
                self._sums[key] = self._sums.get(key, 0.0) + value * samples
                self._weights[key] = self._weights.get(key, 0) + samples

    def result(self) -> MetricRecord:
        known = {key: weight for key, weight in self._weights.items() if weight}
        means = {key: self._sums[key] / weight for key, weight in known.items()}
        return MetricRecord(cast("dict[str, float | int | list[float] | list[int]]", means))
