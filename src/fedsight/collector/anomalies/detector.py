"""A detector for any series: one point at a time, no labels, no knowledge of what is measured.

Two questions are asked of each point: how far is its value from every value before it, and how far
is the shape that it ends from every shape before it (`novelty`). Each answer becomes a surprise,
-log10 of a tail probability (`surprise`); both together are the point's. An alarm is a surprise
above a threshold, behind two gates: after an alarm nothing is told for a while, since an incident
has many points, and each alarm raises the threshold a little, so that a series which is always odd
is told less and less often (habituation). The score is never saturated: of two alarms the greater
surprise has the greater score.

Measured and compared in docs/anomalies.md.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from fedsight.collector.anomalies.novelty import ShapeNovelty, ValueNovelty
from fedsight.collector.anomalies.surprise import Surprise

#: A gap is this many usual intervals without a point.
GAP = 10.0
#: How fast the usual interval follows what is seen, and how much one interval may move it.
_FOLLOW, _MOST_STEP = 1 / 16, 3.0
#: A score above this is an alarm.
ALARM = 0.5
#: Values beyond are taken as this: distances between larger ones are no finite numbers, and one
#: distance that is none would spoil what is remembered.
LARGEST = 1e300


@dataclass(frozen=True, slots=True)
class Tuning:
    """The detector's constants, one set for all series.

    `threshold` is the surprise that alarms, `habituation` what each alarm adds to it and
    `forgetting` after how many points a third of that is left; `hold` is how many points are quiet
    after an alarm, `warm_up` how many come before the first; `memory` is how many values and
    distances are remembered, `shapes` how many shapes. Raises ValueError for what makes no sense.
    """

    threshold: float = 2.0
    habituation: float = 0.05
    forgetting: float = 10_000.0
    hold: int = 80
    warm_up: int = 300
    memory: int = 8000
    shapes: int = 2000

    def __post_init__(self) -> None:
        for name in ("threshold", "forgetting"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        for name in ("habituation", "hold", "warm_up"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")
        if self.memory < 100 or self.shapes < 10:
            raise ValueError(f"memory {self.memory} or shapes {self.shapes} is too small to learn")


@dataclass(frozen=True, slots=True)
class Look:
    """What one point is like: its two surprises, both together, and the threshold of the moment.

    `alarm`: an incident begins. `active`: one was told and its hold has not passed. `expected` is
    where 98 of 100 values before it lay; None for the first few.
    """

    score: float
    surprise: float
    threshold: float
    value_surprise: float
    shape_surprise: float
    alarm: bool
    active: bool
    expected: tuple[float, float] | None


class Detector:
    """Watches one series.

    With memories full it holds 48 bytes for each number in `Tuning.memory` and 128 for each of
    `Tuning.shapes`: 0.64 MB as they are by default, less as long as fewer points have come.
    """

    def __init__(self, tuning: Tuning = Tuning()) -> None:
        self._tuning = tuning
        self._value, self._shape = ValueNovelty(tuning.memory), ShapeNovelty(tuning.shapes)
        self._by_value, self._by_shape = Surprise(tuning.memory), Surprise(tuning.memory)
        self._decay = math.exp(-1 / tuning.forgetting)
        self._last: float | None = None
        self._usual: float | None = None
        self._quiet = 0
        self._habit = 0.0
        #: Points looked at; ignored since they were late, or not a number; gaps between them.
        self.points = self.late = self.absent = self.gaps = 0

    def handle(self, time: float | datetime, value: float) -> float:
        """The score of one point, above `ALARM` where it is an alarm.

        `time` in seconds, or any unit that does not change. 0.0 for a point that says nothing: one
        that is not finite, or not later than the last.
        """
        when = time.timestamp() if isinstance(time, datetime) else time
        look = self.look(when, value)
        return 0.0 if look is None else look.score

    def look(self, time: float, value: float | None) -> Look | None:
        """See what a point is like; None where it is absent or late, which is counted."""
        if value is None or not math.isfinite(value):
            self.absent += 1
            return None
        if self._last is not None and time <= self._last:
            self.late += 1
            return None
        self._follow(time)
        self.points += 1
        value = max(-LARGEST, min(LARGEST, value))
        expected = self._expected()
        by_value, by_shape = self._value.of(value), self._shape.of(value)
        first = 0.0 if by_value is None else self._by_value.of(by_value)
        second = 0.0 if by_shape is None else self._by_shape.of(by_shape)
        return self._gated(first, second, expected)

    def _follow(self, time: float) -> None:
        """Learn the usual interval, and see gaps."""
        if self._last is not None:
            interval = time - self._last
            if self._usual is None:
                self._usual = interval
            elif interval > GAP * self._usual:
                self.gaps += 1
                self._shape.gap()
            step = min(interval, _MOST_STEP * self._usual)
            self._usual += (step - self._usual) * _FOLLOW
        self._last = time

    def _expected(self) -> tuple[float, float] | None:
        seen = self._value.seen
        return (seen.share(0.01), seen.share(0.99)) if self.points > self._tuning.warm_up else None

    def _gated(
        self, by_value: float, by_shape: float, expected: tuple[float, float] | None
    ) -> Look:
        surprise = math.sqrt((by_value * by_value + by_shape * by_shape) / 2)
        self._habit *= self._decay
        threshold = self._tuning.threshold + self._tuning.habituation * self._habit
        ready = self.points > self._tuning.warm_up and self._quiet <= 0
        alarm = ready and surprise > threshold
        if alarm:
            score = ALARM + ALARM * surprise / (surprise + 3)
            self._quiet = self._tuning.hold
            self._habit += 1
        else:
            score = 0.98 * ALARM * min(surprise / threshold, 1.0)
            self._quiet -= 1
        active = alarm or self._quiet > 0
        return Look(score, surprise, threshold, by_value, by_shape, alarm, active, expected)
