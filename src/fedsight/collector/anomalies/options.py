"""What is watched, and how sensitively."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fedsight.collector.anomalies.detector import Tuning
from fedsight.errors import SettingsError

Sensitivity = Literal["low", "medium", "high"]

#: The surprise from which a point is an alarm: one in 30, 100 or 1000 points, were each a surprise
#: of its own; the gates tell far fewer.
THRESHOLDS: Mapping[Sensitivity, float] = {"low": 3.0, "medium": 2.0, "high": 1.5}
#: Figures of whole rounds, and of the machine.
METRICS = (
    "fl_accuracy",
    "fl_eval_loss",
    "fl_round_duration_seconds",
    "host_cpu_utilization_ratio",
    "host_memory_used_bytes",
    "*_latency_seconds",
)
_NAME = re.compile(r"^[A-Za-z_*?][A-Za-z0-9_.:\-*?]*$")


@dataclass(frozen=True)
class AnomalyOptions:
    """Settings of the rules and the detector.

    `metrics` are names that the detector watches, with `*` and `?` as in file names, at most
    `series` of their series at a time, each with `memory` values remembered. Raises SettingsError
    naming the key, its value and what is allowed.
    """

    enabled: bool = True
    metrics: tuple[str, ...] = METRICS
    sensitivity: Sensitivity = "medium"
    series: int = 256
    memory: int = 4000
    history_hours: float = 24.0

    def __post_init__(self) -> None:
        for name in self.metrics:
            if not _NAME.fullmatch(name):
                raise SettingsError(f"anomalies.metrics must be metrics' names, got {name!r}")
            if name.endswith("_total"):
                raise SettingsError(
                    f"anomalies.metrics: {name} is a counter, which only rises; name a gauge"
                )
        if self.sensitivity not in THRESHOLDS:
            known = ", ".join(THRESHOLDS)
            raise SettingsError(f"anomalies.sensitivity must be one of {known}")

    @property
    def tuning(self) -> Tuning:
        """The detector's constants."""
        return Tuning(
            threshold=THRESHOLDS[self.sensitivity],
            memory=self.memory,
            shapes=max(self.memory // 4, 10),
        )

    def watches(self, name: str) -> bool:
        """Whether the detector watches series of that name; counters never."""
        if name.endswith("_total"):
            return False
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in self.metrics)
