"""How fast and in how much memory the server averages: beside its limit and Flower's FedAvg.

The limit adds up all updates a block at a time, as if they lay in memory from the start: it reads
each once and its sum never leaves the cache. Ours is fed replies as they come, so it passes over
its sum with each. All take the same messages, whose one array is the bytes that a network brings.
One thread. Memory is measured in processes of their own.
"""

from __future__ import annotations

import gc
import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from flwr.serverapp.strategy import FedAvg as FlowerFedAvg

from benchmarks.aggregation_memory import FLOWER, Peak, peak_of
from benchmarks.command import Say, run
from benchmarks.measuring import FEWEST_BLOCKS, Spread, ratios, taking_turns
from benchmarks.report import Findings, Target, at_least, at_most, holds
from benchmarks.updates import Updates
from fedsight.federated import codec
from fedsight.federated.algorithms import strategy
from fedsight.federated.flat import Vector
from fedsight.federated.plan import ALGORITHMS, AlgorithmPlan

LIMIT, OURS = "limit", "fedavg"
#: The limit's own block: the fastest of 2^16 to 2^19 values.
LIMIT_BLOCK = 1 << 18


@dataclass(frozen=True)
class Scale:
    """Model sizes and numbers of updates that are timed, and those whose memory is measured."""

    sizes: tuple[int, ...]
    counts: tuple[int, ...]
    target: tuple[int, int]
    algorithms: tuple[int, int]
    memory_size: int
    memory_counts: tuple[int, ...]
    blocks: int


FULL = Scale(
    sizes=(1_000_000, 10_000_000, 25_000_000),
    counts=(10, 50),
    target=(10_000_000, 50),
    algorithms=(10_000_000, 10),
    memory_size=10_000_000,
    memory_counts=(10, 500),
    blocks=7,
)
QUICK = Scale(
    sizes=(300_000,),
    counts=(5, 20),
    target=(300_000, 20),
    algorithms=(300_000, 5),
    memory_size=2_000_000,
    memory_counts=(10, 100),
    blocks=FEWEST_BLOCKS,
)


@dataclass(frozen=True)
class Timed:
    """Milliseconds to average so many updates; ratios within each turn."""

    limit_ms: Spread
    flower_ms: Spread
    ours_ms: Spread
    over_limit: Spread
    times_flower: Spread


def measure(quick: bool, say: Say) -> Findings:
    """Time and memory of weighted means, and of every algorithm's step."""
    logging.getLogger("flwr").setLevel(logging.ERROR)
    scale = QUICK if quick else FULL
    timed = {
        (size, count): _timed(size, count, scale.blocks, say)
        for size in scale.sizes
        for count in scale.counts
    }
    algorithms = _algorithms(*scale.algorithms, scale.blocks, say)
    peaks = {(OURS, count): _peak(OURS, scale, count, say) for count in scale.memory_counts}
    least = min(scale.memory_counts)
    for name in (FLOWER, *ALGORITHMS[1:]):
        peaks[name, least] = _peak(name, scale, least, say)
    say("bits")
    same = same_bits(scale.sizes[0], scale.counts[0])
    figures = {
        **{f"{_millions(size)} x {count}": one for (size, count), one in timed.items()},
        "algorithms_ms": algorithms,
        "memory_models": {f"{name} x {count}": one.models for (name, count), one in peaks.items()},
    }
    told = {"sizes": _all(map(_millions, scale.sizes)), "updates": _all(map(str, scale.counts))}
    told |= {"memory_size": _millions(scale.memory_size), "algorithms_updates": scale.algorithms[1]}
    ours = {count: peaks[OURS, count] for count in scale.memory_counts}
    return Findings(
        {**told, "blocks": scale.blocks}, figures, _targets(scale, timed[scale.target], ours, same)
    )


def _targets(scale: Scale, timed: Timed, peaks: dict[int, Peak], same: bool) -> list[Target]:
    what = f"{_millions(scale.target[0])} x {scale.target[1]}"
    return [
        at_most(f"{what}: ours over the blocked axpy limit", timed.over_limit.median, 1.3),
        at_least(f"{what}: Flower's FedAvg over ours", timed.times_flower.median, 2.5),
        *(
            at_most(f"peak memory of {count} updates, in models", peak.models, 3.0)
            for count, peak in peaks.items()
        ),
        holds("the mean has the bits of a plain loop's", same),
    ]


def _timed(size: int, count: int, blocks: int, say: Say) -> Timed:
    say(f"{_millions(size)} values, {count} updates")
    updates = Updates(size, count)
    flower, ours = FlowerFedAvg(), strategy(AlgorithmPlan())
    updates.configure(ours)
    arms = {
        LIMIT: lambda: _seconds(lambda: limit(updates.vectors, updates.samples)),
        FLOWER: lambda: _aggregation(flower.aggregate_train, updates),
        OURS: lambda: _aggregation(ours.aggregate_train, updates),
    }
    found = taking_turns(arms, blocks, lambda _: None)
    return Timed(
        *(_ms(found[name]) for name in (LIMIT, FLOWER, OURS)),
        Spread.of(ratios(found[OURS], found[LIMIT], float)),
        Spread.of(ratios(found[FLOWER], found[OURS], float)),
    )


def _algorithms(size: int, count: int, blocks: int, say: Say) -> dict[str, Spread]:
    """Milliseconds that each algorithm takes from the first update to the next model."""
    say(f"algorithms: {_millions(size)} values, {count} updates")
    updates = Updates(size, count)

    def turn(name: str) -> Callable[[], float]:
        made = strategy(AlgorithmPlan(name), nodes=count)
        updates.configure(made)
        _aggregation(made.aggregate_train, updates)  # what it remembers is there from now on
        return lambda: _aggregation(made.aggregate_train, updates)

    arms = {name: turn(name) for name in ALGORITHMS}
    return {name: _ms(found) for name, found in taking_turns(arms, blocks, lambda _: None).items()}


def _aggregation(aggregate: Callable[..., object], updates: Updates) -> float:
    replies = updates.replies()
    return _seconds(lambda: aggregate(1, replies))


def _seconds(work: Callable[[], object]) -> float:
    gc.collect()
    started = time.perf_counter()
    found = work()
    seconds = time.perf_counter() - started
    del found
    return seconds


def limit(vectors: Sequence[Vector], samples: Sequence[int]) -> Vector:
    """The weighted mean of vectors that all lie in memory, a block at a time."""
    total = sum(samples)
    weights = [np.float32(one / total) for one in samples]
    mean = np.empty_like(vectors[0])
    product = np.empty(min(LIMIT_BLOCK, len(mean)), mean.dtype)
    for start in range(0, len(mean), LIMIT_BLOCK):
        at = slice(start, start + LIMIT_BLOCK)
        part = mean[at]
        np.multiply(vectors[0][at], weights[0], out=part)
        room = product[: len(part)]
        for vector, weight in zip(vectors[1:], weights[1:], strict=True):
            np.multiply(vector[at], weight, out=room)
            np.add(part, room, out=part)
    return mean


def same_bits(size: int, count: int) -> bool:
    """Whether ours ends with the bits of the loop that anybody would write."""
    updates = Updates(size, count)
    ours = strategy(AlgorithmPlan())
    updates.configure(ours)
    arrays, _ = ours.aggregate_train(1, updates.replies())
    total = updates.vectors[0] * np.float32(updates.samples[0])
    for vector, samples in zip(updates.vectors[1:], updates.samples[1:], strict=True):
        total += vector * np.float32(samples)
    total /= np.float32(sum(updates.samples))
    return arrays is not None and codec.unpack(arrays).tobytes() == total.tobytes()


def _peak(name: str, scale: Scale, count: int, say: Say) -> Peak:
    say(f"memory: {name}, {count} updates of {_millions(scale.memory_size)} values")
    return peak_of(name, scale.memory_size, count)


def _ms(seconds: Sequence[float]) -> Spread:
    return Spread.of([1000 * one for one in seconds])


def _millions(size: int) -> str:
    return f"{size / 1e6:g}M"


def _all(names: object) -> str:
    return " and ".join(names)  # type: ignore[call-overload, no-any-return]


if __name__ == "__main__":
    sys.exit(run("aggregation", measure))
