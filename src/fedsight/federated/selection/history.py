"""What the rounds so far told of each node. Pure: each round makes a new history."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from fedsight.federated.observation import NodeRound, RoundRecord
from fedsight.federated.runs.state import State


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one node; None: not measured.

    `last` is the round in which it was last asked to train; before its first time, the round before
    the one in which it could first have been. `failing` counts its turns without a usable update
    since the last that gave one, `failures` all of them. Figures are those of its last usable
    update, `seconds` of its last answer: the whole turn as the server saw it where that is known,
    else its training.
    """

    last: int = 0
    times: int = 0
    failures: int = 0
    failing: int = 0
    loss: float | None = None
    accuracy: float | None = None
    seconds: float | None = None
    samples: int | None = None


#: By the node's name: its id changes where a run is resumed on another SuperLink.
History = Mapping[str, Known]


def met(history: History, round_: int, names: Iterable[str]) -> History:
    """The history with those nodes in it that can be chosen in `round_` for the first time."""
    new = {name: Known(last=round_ - 1) for name in names if name not in history}
    return {**history, **new} if new else history


def noted(history: History, record: RoundRecord) -> History:
    """The history after a finished round."""
    changed = {
        node.node: _after(history.get(node.node, Known()), node, record.round)
        for node in record.nodes
    }
    return {**history, **changed}


def _after(known: Known, node: NodeRound, round_: int) -> Known:
    seconds = _seconds(node)
    known = replace(
        known,
        last=round_,
        times=known.times + 1,
        seconds=known.seconds if seconds is None else seconds,
    )
    if node.status != "trained":
        return replace(known, failures=known.failures + 1, failing=known.failing + 1)
    return replace(
        known,
        failing=0,
        loss=_finite(node.train_loss),
        accuracy=_finite(node.train_accuracy),
        samples=node.samples,
    )


def _seconds(node: NodeRound) -> float | None:
    turn = node.turn
    if turn is not None and turn.start is not None and turn.end is not None:
        return (turn.end - turn.start) / 1e9
    return _finite(node.train_seconds)


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


_WHOLE = ("last", "times", "failures", "failing")
_MEASURED = ("loss", "accuracy", "seconds", "samples")


def packed(history: History) -> State:
    """The history as columns, one row a node; NaN stands for None."""
    rows = list(history.values())
    whole = {name: np.array([getattr(row, name) for row in rows], np.int64) for name in _WHOLE}
    measured = {
        name: np.array([_or_nan(getattr(row, name)) for row in rows], np.float64)
        for name in _MEASURED
    }
    return State({"nodes": list(history)}, {**whole, **measured})


def unpacked(state: State) -> History:
    """What `packed` put there. Raises ValueError where that is not all there."""
    names = state.facts.get("nodes")
    wanted = (*_WHOLE, *_MEASURED)
    if not isinstance(names, list) or any(
        state.arrays[name].shape != (len(names),) if name in state.arrays else True
        for name in wanted
    ):
        raise ValueError("this is not the state of a selection that remembers nodes")
    columns = zip(*(state.arrays[name].tolist() for name in wanted), strict=True)
    return {name: _row(row) for name, row in zip(names, columns, strict=True)}


def _row(row: tuple[float, ...]) -> Known:
    last, times, failures, failing = (int(value) for value in row[:4])
    loss, accuracy, seconds, samples = (_finite(value) for value in row[4:])
    whole = None if samples is None else int(samples)
    return Known(last, times, failures, failing, loss, accuracy, seconds, whole)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
