"""Refuses updates that must not be averaged in, of models of several named arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord
from flwr.serverapp import Grid
from flwr.serverapp.strategy import Strategy
from numpy.typing import NDArray

from fedsight.federated.wrapping import Refused, Wrapper

Layout = Mapping[str, tuple[str, tuple[int, ...]]]


class CheckedByName(Wrapper):
    """Refuses updates with NaN or infinity, and those whose arrays have not the names, shapes and
    dtypes of the model that was sent.

    A refused update becomes `Refused`, so that the strategy inside sees a failed node; `on_refused`
    is told the node's id and the reason, which names the array.
    """

    def __init__(self, inner: Strategy, on_refused: Callable[[int, str], None]) -> None:
        super().__init__(inner)
        self._on_refused = on_refused
        self._expected: dict[str, Layout] = {}

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        messages = list(self.inner.configure_train(server_round, arrays, config, grid))
        model = layout(arrays)
        sent = messages[0].content.array_records if messages else {}
        self._expected = {key: model for key, one in sent.items() if layout(one) == model}
        return messages

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        return self.inner.aggregate_train(server_round, map(self._check, replies))

    def _check(self, reply: Message) -> Message:
        if reply.has_error():
            return reply
        reason = fault(reply.content.array_records, self._expected)
        if reason is None:
            return reply
        self._on_refused(reply.metadata.src_node_id, reason)
        return Refused(reply, reason)


def layout(arrays: ArrayRecord) -> Layout:
    """Dtype and shape of each array, by name."""
    return {name: (array.dtype, tuple(array.shape)) for name, array in arrays.items()}


def fault(records: Mapping[str, ArrayRecord], expected: Mapping[str, Layout]) -> str | None:
    """What is wrong with an update, in a sentence that names the array; None where nothing is."""
    for key, model in expected.items():
        found = records.get(key)
        wrong = f"update has no arrays {key!r}" if found is None else _unlike(found, model)
        if wrong is not None:
            return wrong
    for record in records.values():
        for name, array in record.items():
            wrong = _unusable(name, array)
            if wrong is not None:
                return wrong
    return None


def _unlike(found: ArrayRecord, model: Layout) -> str | None:
    for name, (dtype, shape) in model.items():
        array = found.get(name)
        if array is None:
            return f"update has no array {name!r}"
        if (array.dtype, tuple(array.shape)) != (dtype, shape):
            return (
                f"array {name!r} is {array.dtype} of shape {tuple(array.shape)},"
                f" the model's is {dtype} of shape {shape}"
            )
    more = sorted(found.keys() - model.keys())
    return f"update has an array {more[0]!r} that the model has not" if more else None


def _unusable(name: str, array: Array) -> str | None:
    try:
        values: NDArray[Any] = array.numpy()
    except (ValueError, TypeError, EOFError, OSError) as error:
        return f"array {name!r} cannot be read: {error}"
    if (str(values.dtype), values.shape) != (array.dtype, tuple(array.shape)):
        return f"array {name!r} is not what it says it is: {values.dtype} of {values.shape}"
    if values.dtype.kind not in "fc" or np.isfinite(values).all():
        return None
    nan, infinite = int(np.isnan(values).sum()), int(np.isinf(values).sum())
    return f"array {name!r} holds {nan} NaN and {infinite} infinite values of {values.size}"
