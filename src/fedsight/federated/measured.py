"""An answer whose update was measured: how long it is, and what policy makes of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
from flwr.app import ArrayRecord, Message, MetricRecord

from fedsight.federated import codec
from fedsight.federated.flat import Vector
from fedsight.federated.governance import Update, Verdict
from fedsight.federated.node.client import METRICS, NUM_EXAMPLES
from fedsight.federated.wrapping import Refused

#: Values of an update that are measured at once. Beyond 10,000 BLAS takes several threads, which
#: spin on for a while on the cores that train next: a governed round took twice as long.
BLOCK = 8192


@dataclass(frozen=True)
class Measured:
    """An answer whose update was measured against the model that its node was given."""

    reply: Message
    model: Vector
    update: Update

    def ruled(self, verdict: Verdict) -> Message:
        """The answer as it counts, by what policy says of it."""
        if verdict.refusal is not None:
            return Refused(self.reply, verdict.refusal, readable=True)
        norm, longest = self.update.norm, verdict.longest
        return self.reply if longest is None or norm <= longest else self._clipped(longest / norm)

    def _clipped(self, factor: float) -> Message:
        """The answer with its update shortened."""
        vector = codec.unpack(cast(ArrayRecord, self.reply.content[codec.ARRAYS]))
        shorter = self.model + (vector - self.model) * np.float32(factor)
        self.reply.content[codec.ARRAYS] = codec.pack(cast(Vector, shorter.astype(vector.dtype)))
        return self.reply


def norm_of(reply: Message, model: Vector) -> float | None:
    """The length of what the node changed of the model that it was given; None where that cannot be
    read, or is no number."""
    try:
        vector = codec.unpack(cast(ArrayRecord, reply.content[codec.ARRAYS]))
    except (KeyError, ValueError):
        return None
    if vector.shape != model.shape:
        return None
    square = 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for at in range(0, len(vector), BLOCK):
            change = vector[at : at + BLOCK] - model[at : at + BLOCK]
            square += float(np.dot(change, change))
    return math.sqrt(square) if math.isfinite(square) else None


def samples(reply: Message) -> int | None:
    """How many samples an answer says it stands for, whole ones; None where it does not."""
    metrics = reply.content.get(METRICS)
    count = metrics.get(NUM_EXAMPLES) if isinstance(metrics, MetricRecord) else None
    if isinstance(count, float):  # it weighs in the mean just as well
        return int(count) if math.isfinite(count) else None
    return count if isinstance(count, int) else None
