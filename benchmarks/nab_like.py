"""Labelled series made up, of the kinds that NAB's corpus has: for a quick look, and as a guard
against constants that fit seventeen series and nothing else.

Each kind is drawn anew from its seed. Windows are as NAB makes them: a tenth of a series in all,
shared among its anomalies, each around one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from benchmarks.nab import Labelled

Values = NDArray[np.float64]
Drawn = tuple[Values, list[int]]
STEP_SECONDS = 300.0
DAY, HALF_HOURS = 288, 48


def corpus(seed: int, each: int, points: int = 4032) -> list[Labelled]:
    """`each` series of every kind, each with `points` values five minutes apart."""
    found = []
    for kind, (name, draw) in enumerate(KINDS.items()):
        for number in range(each):
            rng = np.random.default_rng([seed, kind, number])
            value, at = draw(rng, points)
            found.append(_labelled(f"{name}_{number}", value, at))
    return found


def _labelled(name: str, value: Values, anomalies: list[int]) -> Labelled:
    size = len(value)
    width = size // 10 // max(len(anomalies), 1)
    spans = [(max(at - width // 2, 0), min(at + width // 2, size - 1)) for at in sorted(anomalies)]
    merged: list[tuple[int, int]] = []
    for first, last in spans:
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], last)
        else:
            merged.append((first, last))
    return Labelled(name, np.arange(size) * STEP_SECONDS, value, tuple(merged))


def _places(rng: np.random.Generator, size: int, count: int) -> list[int]:
    """Where anomalies begin: beyond the probation, apart from one another."""
    free = np.linspace(0.22, 0.95, count + 1)
    return [int(size * rng.uniform(free[at], free[at + 1] - 0.02)) for at in range(count)]


def _decay(height: float, points: float, most: int) -> Values:
    """Forty points, or `most`, that fall from `height` by a factor of e every `points`."""
    falling: Values = height * np.exp(-np.arange(min(40, most)) / points)
    return falling


def _daily(rng: np.random.Generator, size: int) -> tuple[Values, Values]:
    """A plateau from nine to six, as in NAB's artificial series; and noise for it."""
    hour = np.arange(size) % DAY / DAY * 24
    level = np.where((hour >= 9) & (hour < 18), rng.uniform(40, 80), 20.0)
    return level, rng.uniform(-1, 1, size) * rng.uniform(1, 8)


def quiet(rng: np.random.Generator, size: int) -> Drawn:
    """A daily pattern and nothing else: whatever is found is false."""
    level, noise = _daily(rng, size)
    return level + noise, []


def jump(rng: np.random.Generator, size: int) -> Drawn:
    """One day's plateau is higher, lower, or missing."""
    level, noise = _daily(rng, size)
    day = _places(rng, size, 1)[0] // DAY * DAY
    plateau = slice(day + DAY * 9 // 24, day + DAY * 18 // 24)
    high = level[plateau.start]
    level[plateau] = (high * rng.uniform(1.4, 2.0), high * 0.6, 20.0)[rng.integers(3)]
    return level + noise, [plateau.start]


def spikes(rng: np.random.Generator, size: int) -> Drawn:
    """Spikes now and then, then many of them."""
    value = rng.uniform(0, 0.1, size)
    value[rng.random(size) < 0.01] += 1
    at = _places(rng, size, 1)[0]
    dense = np.arange(size)
    value[(dense >= at) & (dense < at + DAY) & (rng.random(size) < 0.08)] += 1
    return value, [at]


def load(rng: np.random.Generator, size: int) -> Drawn:
    """A server's CPU: noise with heavy tails, a shift of level and a burst."""
    scale = rng.uniform(0.2, 4)
    value = rng.uniform(5, 50) + scale * rng.standard_t(4, size)
    shift, burst = _places(rng, size, 2)
    value[shift:] += scale * rng.choice([-1, 1]) * rng.uniform(5, 10)
    value[burst : burst + int(rng.integers(2, 20))] += scale * rng.uniform(10, 25)
    return value, [shift, burst]


def requests(rng: np.random.Generator, size: int) -> Drawn:
    """Counts with a daily rhythm and bursts that die away, of which the largest count."""
    rhythm = 1 + 0.7 * np.sin(np.arange(size) / DAY * 2 * np.pi + rng.uniform(0, 6))
    rate = rng.uniform(4, 40) * rhythm
    for at in np.flatnonzero(rng.random(size) < 0.004):
        rate[at : at + 40] += _decay(rate[at] * rng.exponential(0.8), 10, size - at)
    places = _places(rng, size, 3)
    for at in places:
        rate[at : at + 40] += _decay(rate.mean() * rng.uniform(4, 9), 10, size - at)
    return rng.negative_binomial(4, 4 / (4 + rate)).astype(float), places


def speed(rng: np.random.Generator, size: int) -> Drawn:
    """Traffic: daily congestion of varying depth, and a standstill outside its hours."""
    hour = np.arange(size) % DAY / DAY * 24
    depth = np.repeat(rng.uniform(2, 14, size // DAY + 1), DAY)[:size]
    rush = np.exp(-((hour - 8) ** 2) / 2) + np.exp(-((hour - 17.5) ** 2) / 4)
    value = 65 - depth * rush + rng.normal(0, 3, size)
    at = _places(rng, size, 1)[0] // DAY * DAY + DAY // 2
    value[at : at + 15] -= rng.uniform(18, 35)
    return np.round(value), [at]


def passengers(rng: np.random.Generator, size: int) -> Drawn:
    """A daily and a weekly rhythm, half-hourly, and two days that follow neither."""
    phase = np.arange(size) / HALF_HOURS * 2 * np.pi
    shape = 1.2 - np.cos(phase) - 0.4 * np.cos(2 * phase)
    days = np.arange(size) // HALF_HOURS
    value = 1000 * shape * np.where(days % 7 >= 5, 0.75, 1.0) * rng.normal(1, 0.03, size)[days]
    places = [at // HALF_HOURS * HALF_HOURS for at in _places(rng, size, 2)]
    for at in places:
        value[at : at + HALF_HOURS] *= rng.choice([0.45, 1.5])
    return value + rng.normal(0, 40, size), [at + HALF_HOURS // 4 for at in places]


def temperature(rng: np.random.Generator, size: int) -> Drawn:
    """A slow walk around a mean, and a fall from which it recovers."""
    value = np.empty(size)
    value[0] = 0.0
    for at, step in enumerate(rng.normal(0, 0.3, size - 1), 1):
        value[at] = value[at - 1] * 0.995 + step
    at = _places(rng, size, 1)[0]
    fall = rng.uniform(8, 16)
    value[at : at + 120] -= fall * np.exp(-np.arange(120) / 60)[: size - at]
    return 70 + value + rng.normal(0, 0.2, size), [at]


def prices(rng: np.random.Generator, size: int) -> Drawn:
    """Prices of clicks: jumps between levels, and a few outliers far beyond them."""
    level = np.repeat(rng.gamma(2, 0.05, size // 24 + 1), 24)[:size]
    value = level * (1 + 0.15 * np.abs(rng.standard_t(3, size)))
    places = _places(rng, size, 2)
    for at in places:
        value[at] += rng.uniform(1, 3)
    return value, places


KINDS: Mapping[str, Callable[[np.random.Generator, int], Drawn]] = {
    "quiet": quiet,
    "jump": jump,
    "spikes": spikes,
    "load": load,
    "requests": requests,
    "speed": speed,
    "passengers": passengers,
    "temperature": temperature,
    "prices": prices,
}
