"""Samples that make PromQL's rules matter: jitter, gaps, resets, series that end, histograms."""

from __future__ import annotations

import random

from fedsight.signals import Sample
from tests.collector.shipments import SECOND, START

MINUTES = 40
EVERY = 15


def samples() -> list[Sample]:
    """Forty minutes of some twenty series, the same each time."""
    dice = random.Random(4)
    return [*_gauges(dice), *_counters(dice), *_buckets(dice), Sample(at(300), "once", 7.0)]


def at(seconds: float) -> int:
    """A time in whole milliseconds after the beginning."""
    return START + round(seconds * 1000) * SECOND // 1000


def _ticks(dice: random.Random, *, jitter: float = 0.0) -> list[float]:
    return [tick + dice.uniform(0, jitter) for tick in range(0, MINUTES * 60, EVERY)]


def _gauges(dice: random.Random) -> list[Sample]:
    found = []
    for place, node in enumerate(("a", "b", "c")):
        for run in ("r-1", "r-2"):
            labels = {"node": node, "run": run}
            for tick in _ticks(dice, jitter=3.0):
                # Node c is away for ten minutes and ends early.
                if node == "c" and (600 < tick < 1200 or tick > 1800):
                    continue
                value = round(dice.gauss(place - 1, 1), 3)
                found.append(Sample(at(tick), "load", value, labels=labels))
    return [
        *found,
        *(Sample(at(tick), "memory", 8.0, labels={"node": "a"}) for tick in _ticks(dice)),
    ]


def _counters(dice: random.Random) -> list[Sample]:
    found = []
    for node in ("a", "b"):
        for way in ("in", "out"):
            count = 0.0 if way == "in" else 100.0
            for tick in _ticks(dice, jitter=1.0 if node == "a" else 0.0):
                count = 0.0 if dice.random() < 0.03 else count + dice.randrange(0, 50)
                labels = {"node": node, "way": way}
                found.append(Sample(at(tick), "bytes_total", count, labels=labels))
    return found


def _buckets(dice: random.Random) -> list[Sample]:
    found = []
    for node in ("a", "b"):
        counts = {"0.1": 0, "0.5": 0, "1": 0, "+Inf": 0}
        for tick in _ticks(dice):
            for _ in range(dice.randrange(0, 4)):
                took = dice.expovariate(3)
                for edge in counts:
                    counts[edge] += took <= float(edge)
            for edge, count in counts.items():
                labels = {"node": node, "le": edge}
                found.append(Sample(at(tick), "took_bucket", float(count), labels=labels))
    return found
