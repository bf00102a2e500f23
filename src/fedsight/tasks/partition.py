"""Splitting pooled, labelled data over nodes: pure functions of labels and seed.

Each returns one sorted index array a node; together they hold every sample exactly once and no
node is empty.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedsight.errors import UsageError
from fedsight.tasks.task import Partition

Indices = NDArray[np.int64]

#: Names this random stream, so that no other stream of the same run seed repeats it.
_STREAM = 0x5017

SHARDS_PER_NODE = 2


def split(labels: Indices, partition: Partition) -> list[Indices]:
    """All nodes' indices into `labels` (int, shape (n,)), by the partition's scheme."""
    count = partition.count
    if count > len(labels):
        raise UsageError(f"{count} nodes are more than the {len(labels)} samples to share out")
    rng = np.random.default_rng([_STREAM, partition.seed])
    if partition.scheme == "iid":
        parts = iid(len(labels), count, rng)
    elif partition.scheme == "dirichlet":
        parts = dirichlet(labels, count, partition.alpha, rng)
    elif partition.scheme == "shards":
        parts = shards(labels, count, rng)
    else:
        raise UsageError(
            f"partition {partition.scheme} is for tasks whose nodes have data of their own;"
            " this one's is shared out: iid, dirichlet or shards"
        )
    return [np.sort(part) for part in _none_empty(parts)]


def iid(samples: int, count: int, rng: np.random.Generator) -> list[Indices]:
    """Shuffled and cut in `count` parts whose sizes differ by at most one."""
    return list(np.array_split(rng.permutation(samples), count))


def dirichlet(labels: Indices, count: int, alpha: float, rng: np.random.Generator) -> list[Indices]:
    """Each class is shared out by proportions drawn from Dir(alpha): small alpha, unequal nodes.

    Hsu, Qi, Brown 2019, "Measuring the effects of non-identical data distribution for federated
    visual classification", in the per-class form of Yurochkin et al. 2019.
    """
    if not alpha > 0:
        raise UsageError(f"alpha must be above 0, got {alpha}")
    parts: list[list[Indices]] = [[] for _ in range(count)]
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        shares = rng.dirichlet(np.full(count, alpha))
        cuts = np.round(np.cumsum(shares)[:-1] * len(members)).astype(np.int64)
        for part, piece in zip(parts, np.split(members, cuts), strict=True):
            part.append(piece)
    return [np.concatenate(part) for part in parts]


def shards(labels: Indices, count: int, rng: np.random.Generator) -> list[Indices]:
    """Sorted by label, cut in two shards a node, shards dealt at random: few classes a node.

    McMahan et al. 2017, "Communication-efficient learning of deep networks from decentralized
    data".
    """
    by_label = np.lexsort((rng.permutation(len(labels)), labels))
    pieces = np.array_split(by_label, count * SHARDS_PER_NODE)
    dealt = rng.permutation(len(pieces)).reshape(count, SHARDS_PER_NODE)
    return [np.concatenate([pieces[shard] for shard in hand]) for hand in dealt]


def _none_empty(parts: list[Indices]) -> list[Indices]:
    """Give every empty part one sample of the largest part: a node without data cannot train."""
    for at, part in enumerate(parts):
        if len(part) == 0:
            largest = max(range(len(parts)), key=lambda other: len(parts[other]))
            parts[at], parts[largest] = parts[largest][:1], parts[largest][1:]
    return parts
