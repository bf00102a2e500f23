"""A millisecond of training and no more: what is left of a round is what the engine takes.

Without torch, so that a process that trains it starts as fast as one with numpy can.
"""

from __future__ import annotations

import time

import numpy as np
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

#: Values of the model.
VALUES = 10_000
SECONDS = 0.001

app = ClientApp()


def trained(values: np.ndarray) -> np.ndarray:
    """The model after a millisecond of numpy."""
    values = np.array(values)
    started = time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        values *= np.float32(0.999)
        values += np.float32(0.001)
    return values


@app.train()
def train(message: Message, context: Context) -> Message:
    """Flower's own way to answer: arrays, and how many samples they stand for."""
    (values,) = message.content.array_records["arrays"].to_numpy_ndarrays()
    metrics = MetricRecord({"num-examples": 1})
    reply = RecordDict({"arrays": ArrayRecord([trained(values)]), "metrics": metrics})
    return Message(reply, reply_to=message)
