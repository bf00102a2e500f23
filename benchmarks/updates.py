"""What nodes would send to a server, made up: vectors as bytes, in Flower's messages."""

from __future__ import annotations

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import Strategy

from fedsight.federated import codec
from fedsight.federated.engines.local_grid import LocalGrid, sites
from fedsight.federated.flat import Vector
from fedsight.federated.node.client import LOCAL_RATE, NUM_EXAMPLES, ROUND, TRAIN_LOSS

#: Different updates take up to so many bytes; beyond, some are sent again.
MOST_BYTES = 5 * 10**9


class Updates:
    """`count` updates of `size` float32 values; node k has 10 + k samples.

    `vectors` are views of the bytes in the messages.
    """

    def __init__(self, size: int, count: int) -> None:
        self.samples = [10 + at for at in range(count)]
        self._grid = LocalGrid(ClientApp(), sites(count, {}))
        self._first = np.zeros(size, np.float32)
        different = max(1, min(count, MOST_BYTES // (4 * size)))
        drawn = np.random.default_rng(0).standard_normal(size, np.float32)
        records = [_received(drawn, at) for at in range(different)]
        self._contents = [
            content(records[at % different], samples) for at, samples in enumerate(self.samples)
        ]
        unpacked = [codec.unpack(record) for record in records]
        self.vectors: list[Vector] = [unpacked[at % different] for at in range(count)]

    def configure(self, strategy: Strategy) -> None:
        """Begin round 1 from a model of zeros."""
        self._asked = messages(strategy, self._first, self._grid)

    def replies(self) -> list[Message]:
        """New messages, to be consumed, with the same contents."""
        pairs = zip(self._contents, self._asked, strict=True)
        return [Message(one, reply_to=asked) for one, asked in pairs]


def messages(strategy: Strategy, model: Vector, grid: LocalGrid) -> list[Message]:
    """A round's messages, as if a SuperLink had them."""
    found = list(strategy.configure_train(1, codec.pack(model), ConfigRecord(), grid))
    for at, message in enumerate(found):
        message.metadata.__dict__["_message_id"] = f"m{at}"
    return found


def content(record: ArrayRecord, samples: int) -> RecordDict:
    """What a node answers, SCAFFOLD's figures with it."""
    figures = {NUM_EXAMPLES: samples, TRAIN_LOSS: 0.5, LOCAL_RATE: 1.0, ROUND: 1}
    return RecordDict({"arrays": record, "metrics": MetricRecord(figures)})  # type: ignore[arg-type]


def _received(drawn: Vector, at: int) -> ArrayRecord:
    """One array, as bytes."""
    return ArrayRecord({codec.FLAT: Array(np.roll(drawn, at))})
