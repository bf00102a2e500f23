"""The cohort: the chosen nodes of a round trained all at once, ahead of their turns.

Messages stay Flower's: the grid shows the round's messages here first, the models are trained as
rows of one tensor (`stacked`), and each node's ClientApp then answers with its row. A node that
cannot take part, or a round that cannot be trained so, is left to train in its own turn.

When one node trained is not known: its train and CPU seconds are absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
from flwr.app import Message, MessageType
from torch import Tensor

from fedsight.errors import told
from fedsight.federated.engines.stacked import Figures, Shares, Stack
from fedsight.federated.flat import FlatModel, Vector
from fedsight.federated.node.assignment import Assignment
from fedsight.federated.node.client import (
    NUM_EXAMPLES,
    TRAIN_ACCURACY,
    TRAIN_LOSS,
    LocalTrainer,
    Trainer,
    assigned,
)
from fedsight.tasks import Recipe, Scored

#: Nodes' data is kept in one tensor up to this size; beyond, a round's is gathered each round.
MOST_KEPT_BYTES = 2**30
#: Models, momentum, gradients and a batch of those that are trained together.
MOST_CHUNK_BYTES = 2**28

#: Why a cohort does not train what is to be added to each node's gradients.
ADDED = "the algorithm adds to each node's gradients"

#: What a task's own code, or torch under `vmap`, raises where models cannot be trained together.
UNFIT_ERRORS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class _Asked:
    """One node's message, read."""

    node_id: int
    assignment: Assignment


@dataclass(frozen=True)
class _Answer:
    """What is ready for a node, and for which model it was asked."""

    asked: Vector
    update: Vector
    figures: dict[str, float | int]


class Cohort:
    """Trains a round's nodes together; a `Preparing` for the grid.

    `trainers` are the nodes' own, by node id: they hold the data and the streams, and train what
    the cohort leaves to them. Nodes whose data is not loaded are left out.
    """

    def __init__(
        self, task: Scored, model: FlatModel, recipe: Recipe, trainers: Mapping[int, Trainer]
    ) -> None:
        self._trainers = trainers
        self._stack = Stack(task, model.model, model.manifest, recipe)
        self._batch_size = recipe.batch_size
        self._data = Holdings(task, trainers)
        self._answers: dict[int, _Answer] = {}
        self._doubts: list[str] = []

    def member(self, node_id: int) -> LocalTrainer:
        """What that node's ClientApp trains with."""
        return _Member(self._answers, node_id, self._trainers[node_id])

    def doubts(self) -> list[str]:
        """Why nodes had to train by themselves, since this was last asked."""
        found, self._doubts = self._doubts, []
        return found

    def prepare(self, messages: Sequence[Message]) -> set[int]:
        """Train for these messages; the ids of nodes whose answers are ready."""
        self._answers.clear()
        asked = [_read(message) for message in messages if _is_train(message)]
        if added := [one for one in asked if not one.assignment.plain]:
            self._doubt(added, ADDED)
        mine = [one for one in asked if one.node_id in self._data and one.assignment.plain]
        mine.sort(key=lambda one: self._data.size(one.node_id), reverse=True)
        for chunk in self._chunks(mine):
            try:
                self._train(chunk)
            except UNFIT_ERRORS as error:  # one of them may be at fault: each answers for itself
                self._doubt(chunk, told(error))
        return set(self._answers)

    def _doubt(self, asked: Sequence[_Asked], reason: str) -> None:
        round_ = asked[0].assignment.round
        self._doubts.append(f"round {round_}: {len(asked)} nodes trained one by one: {reason}")

    def _chunks(self, asked: list[_Asked]) -> Iterator[list[_Asked]]:
        """As many at a time as fit in memory."""
        if not asked:
            return
        batch = min(self._batch_size, self._data.size(asked[0].node_id))
        each = 4 * asked[0].assignment.vector.nbytes + 2 * batch * self._data.sample_bytes
        at_once = max(1, MOST_CHUNK_BYTES // each)
        for start in range(0, len(asked), at_once):
            yield asked[start : start + at_once]

    def _train(self, asked: list[_Asked]) -> None:
        flat = torch.from_numpy(np.stack([one.assignment.vector for one in asked]))
        inputs, labels, starts = self._data.of([one.node_id for one in asked])
        sizes = [self._data.size(one.node_id) for one in asked]
        seeds = [self._trainers[one.node_id].seed(one.assignment.round) for one in asked]
        found = self._stack.train(flat, Shares(inputs, labels, starts, sizes, seeds))
        for at, (one, update) in enumerate(zip(asked, flat.numpy(), strict=True)):
            figures = _figures(found, at, sizes[at])
            self._answers[one.node_id] = _Answer(one.assignment.vector, update, figures)


@dataclass(frozen=True)
class _Member:
    """One node of the cohort: hands over what is ready for it, or trains by itself."""

    answers: dict[int, _Answer]
    node_id: int
    alone: Trainer

    def train(self, assignment: Assignment) -> tuple[Vector, dict[str, float | int]]:
        """See `LocalTrainer`."""
        answer = self.answers.pop(self.node_id, None)
        if answer is None or answer.asked is not assignment.vector or not assignment.plain:
            return self.alone.train(assignment)
        return answer.update, answer.figures


class Holdings:
    """The nodes' data as tensors, one node after the other; kept whole where memory allows.

    Raises ValueError where the nodes' tensors are not of one kind.
    """

    def __init__(self, task: Scored, trainers: Mapping[int, Trainer]) -> None:
        self._parts = {
            node_id: task.tensors(trainer.data)
            for node_id, trainer in trainers.items()
            if trainer.data is not None
        }
        for node_id, (inputs, labels) in self._parts.items():
            if len(inputs) != len(labels) or len(labels) != len(trainers[node_id].data):
                raise ValueError(f"a node has {len(inputs)} inputs and {len(labels)} labels")
        if len({_kind(part) for part in self._parts.values()}) != 1:
            raise ValueError("the nodes' data are tensors of different shapes or dtypes")
        self._sizes = {node_id: len(labels) for node_id, (_, labels) in self._parts.items()}
        first = next(iter(self._parts.values()))
        self.sample_bytes = sum(tensor[0].nbytes for tensor in first)
        self._whole: tuple[Tensor, Tensor] | None = None
        if sum(self._sizes.values()) * self.sample_bytes <= MOST_KEPT_BYTES:
            self._whole = self._joined(list(self._parts))
            self._starts = dict(zip(self._parts, _running(self._sizes.values()), strict=True))
            self._parts.clear()

    def __contains__(self, node_id: int) -> bool:
        return node_id in self._sizes

    def size(self, node_id: int) -> int:
        """How many samples that node has."""
        return self._sizes[node_id]

    def of(self, node_ids: Sequence[int]) -> tuple[Tensor, Tensor, list[int]]:
        """Inputs and labels that hold these nodes' samples, and where each node's begin."""
        if self._whole is not None:
            return *self._whole, [self._starts[node_id] for node_id in node_ids]
        return *self._joined(node_ids), _running(self._sizes[node_id] for node_id in node_ids)

    def _joined(self, node_ids: Sequence[int]) -> tuple[Tensor, Tensor]:
        parts = [self._parts[node_id] for node_id in node_ids]
        return torch.cat([inputs for inputs, _ in parts]), torch.cat(
            [labels for _, labels in parts]
        )


def _running(sizes: Iterable[int]) -> list[int]:
    """Where each begins, one after the other."""
    return list(accumulate(sizes, initial=0))[:-1]


def _kind(part: tuple[Tensor, Tensor]) -> tuple[object, ...]:
    return tuple((tensor.shape[1:], tensor.dtype, tensor.device.type) for tensor in part)


def _is_train(message: Message) -> bool:
    return message.metadata.message_type == MessageType.TRAIN


def _read(message: Message) -> _Asked:
    return _Asked(message.metadata.dst_node_id, assigned(message))


def _figures(found: Figures, at: int, samples: int) -> dict[str, float | int]:
    figures: dict[str, float | int] = {NUM_EXAMPLES: samples, TRAIN_LOSS: found.loss[at]}
    if found.accuracy is not None:
        figures[TRAIN_ACCURACY] = found.accuracy[at]
    return figures
