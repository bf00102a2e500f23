"""Two simple detectors to compare with, one point at a time; larger scores are odder."""

from __future__ import annotations

import math
from collections import deque


class WindowedGaussian:
    """How unlikely a value is by the normal distribution of the last `window` values.

    As NAB's: mean and deviation are taken anew every `step` points. The score is -log10 of the
    two-sided tail probability, so that it does not saturate.
    """

    def __init__(self, window: int = 6400, step: int = 100) -> None:
        self._seen: deque[float] = deque(maxlen=window)
        self._step = step
        self._since = 0
        self._mean = self._deviation = 0.0

    def handle(self, time: float, value: float) -> float:
        """The score of one point; 0 until the first step is full."""
        score = 0.0
        if self._deviation > 0:
            away = abs(value - self._mean) / self._deviation
            score = -math.log10(max(math.erfc(away / math.sqrt(2)), 1e-300))
        self._seen.append(value)
        self._since += 1
        if self._since >= self._step:
            self._since = 0
            count = len(self._seen)
            self._mean = sum(self._seen) / count
            self._deviation = math.sqrt(sum((one - self._mean) ** 2 for one in self._seen) / count)
        return score


class EwmaZScore:
    """How many deviations a value lies from an exponentially weighted mean of those before it."""

    def __init__(self, alpha: float = 0.01, warm_up: int = 100) -> None:
        self._alpha = alpha
        self._warm_up = warm_up
        self._points = 0
        self._mean = self._variance = 0.0

    def handle(self, time: float, value: float) -> float:
        """The score of one point; 0 in the first hundred."""
        self._points += 1
        if self._points == 1:
            self._mean = value
        away = value - self._mean
        deviation = math.sqrt(self._variance)
        score = abs(away) / deviation if self._points > self._warm_up and deviation > 0 else 0.0
        step = self._alpha * away
        self._mean += step
        self._variance = (1 - self._alpha) * (self._variance + away * step)
        return score
