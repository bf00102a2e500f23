"""A federation without nodes: a grid to configure a round on, and replies made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from flwr.app import ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp
from flwr.serverapp.strategy import Strategy

from fedsight.federated import codec
from fedsight.federated.engines.local_grid import LocalGrid, sites
from fedsight.federated.flat import Vector
from fedsight.federated.narrowed import OnlyThese


def nobody(count: int, only: Sequence[int] | None = None) -> LocalGrid | OnlyThese:
    """A grid of nodes 1000, 1001, ... that only shows those at the places `only`."""
    grid = LocalGrid(ClientApp(), sites(count, {}))
    return grid if only is None else OnlyThese(grid, [1000 + place for place in only])


def vector(*values: float) -> Vector:
    return np.array(values, dtype=np.float32)


def asked(
    strategy: Strategy,
    model: Vector,
    *,
    round: int = 1,
    nodes: int = 2,
    only: Sequence[int] | None = None,
) -> list[Message]:
    """The messages of a round."""
    grid = nobody(nodes, only)
    return list(strategy.configure_train(round, codec.pack(model), ConfigRecord(), grid))


def reply(
    message: Message, update: Vector, samples: int = 1, **figures: float | int | list[float]
) -> Message:
    """What a node answers; `train_loss=1` is the figure train-loss."""
    named = {key.replace("_", "-"): value for key, value in figures.items()}
    content = RecordDict({"arrays": codec.pack(update)})
    content["metrics"] = MetricRecord({"num-examples": samples, **named})  # type: ignore[dict-item]
    message.metadata.__dict__["_message_id"] = str(message.metadata.dst_node_id)
    return Message(content, reply_to=message)


def next_model(strategy: Strategy, replies: Sequence[Message], round: int = 1) -> Vector:
    """The global model that the replies make."""
    arrays, _ = strategy.aggregate_train(round, iter(replies))
    assert arrays is not None
    return codec.unpack(arrays)
