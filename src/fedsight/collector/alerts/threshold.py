"""Rules that an operator writes: a figure above or below a threshold, for some time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from fedsight.collector.alerts.finding import Severity
from fedsight.collector.alerts.words import figure, named
from fedsight.collector.store.contract import Aggregation
from fedsight.errors import SettingsError

WORDS = {
    "last": "latest",
    "max": "highest",
    "min": "lowest",
    "sum": "sum of",
    "count": "count of",
    "rate": "rate a second of",
    "p50": "median",
    "p95": "95th percentile of",
}


@dataclass(frozen=True, slots=True)
class ThresholdRule:
    """Fires where the aggregate of a metric's last `window_seconds` lies above or below.

    Each series of the metric that has these `labels` is looked at on its own. Raises SettingsError
    where neither or both of `above` and `below` are given, or a value is out of range.
    """

    name: str
    metric: str
    labels: Mapping[str, str] = field(default_factory=dict)
    aggregation: Aggregation = "last"
    window_seconds: float = 60.0
    above: float | None = None
    below: float | None = None
    for_seconds: float = 0.0
    severity: Severity = "warning"

    def __post_init__(self) -> None:
        if (self.above is None) == (self.below is None):
            raise SettingsError(f"alerts.rules {self.name!r} needs one of above and below")
        limit = self.above if self.below is None else self.below
        if limit is None or not math.isfinite(limit):
            raise SettingsError(f"alerts.rules {self.name!r}: its threshold must be finite")
        if not (0 < self.window_seconds <= 86_400 and 0 <= self.for_seconds <= 86_400):
            raise SettingsError(
                f"alerts.rules {self.name!r}: window_seconds must lie above 0 and for_seconds at"
                " least at 0, both at most 86400"
            )

    @property
    def threshold(self) -> float:
        """The figure that is compared with."""
        return float(self.above if self.above is not None else self.below or 0.0)

    def is_broken(self, value: float) -> bool:
        """Whether a figure lies where it should not."""
        return value > self.threshold if self.above is not None else value < self.threshold

    @property
    def aggregated(self) -> str:
        """How the samples become one figure, in words."""
        return WORDS.get(self.aggregation, self.aggregation)

    @property
    def fires_when(self) -> str:
        """The rule as a sentence."""
        side = "above" if self.above is not None else "below"
        held = f" for {figure(self.for_seconds)} s" if self.for_seconds else ""
        return (
            f"the {self.aggregated} {named(self.metric, self.labels)} of the last"
            f" {figure(self.window_seconds)} s is {side} {figure(self.threshold)}{held}"
        )
