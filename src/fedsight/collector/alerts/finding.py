"""What a rule or a detector hands over: something is wrong, or no longer is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from fedsight.signals import Labels

Severity = Literal["info", "warning", "critical"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One look at one thing that may be wrong.

    `key` says which alert it belongs to: findings of one key are one alert for as long as it is
    not resolved. `active=False` resolves it; it may be told again and again, also of a key that
    nobody knows. `time` is that of the sample (Unix nanoseconds), not that of the computation.
    Of `expected_range`, `threshold` and `baseline` those that the rule has; `evidence` is JSON.

    Raises ValueError for a value that is not finite: what is not known is None.
    """

    type: str
    severity: Severity
    message: str
    key: str
    time: int
    active: bool = True
    current_value: float | None = None
    expected_range: tuple[float, float] | None = None
    threshold: float | None = None
    baseline: float | None = None
    run: str | None = None
    round: int | None = None
    node: str | None = None
    labels: Labels = field(default_factory=dict)
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        figures = (self.current_value, self.threshold, self.baseline, *(self.expected_range or ()))
        if not all(value is None or math.isfinite(value) for value in figures):
            raise ValueError(f"the figures of finding {self.key!r} must be finite or None")


class Findings(Protocol):
    """Takes findings in; `collector.alerts.alerts.Alerts` does, and `KeptFindings` for tests."""

    def report(self, findings: Sequence[Finding]) -> object:
        """Hand findings over, in order; returns at once, from any thread."""
        ...


class KeptFindings:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def report(self, findings: Sequence[Finding]) -> None:
        """As `Findings.report`."""
        self.findings += findings
