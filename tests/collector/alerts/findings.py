"""Findings whose times a reader can count on the fingers."""

from __future__ import annotations

from typing import Any

from fedsight.collector.alerts.finding import Finding

SECOND = 10**9
#: Long past, whatever the clock of the machine that tests.
START = 1_704_067_200 * SECOND


def wrong(at: float = 0.0, key: str = "k", **given: Any) -> Finding:
    """Something is wrong, `at` seconds after the start."""
    shown = {"type": "fl_accuracy_drop", "severity": "critical", "message": "it fell"}
    return Finding(key=key, time=START + int(at * SECOND), **{**shown, **given})


def right(at: float = 0.0, key: str = "k", **given: Any) -> Finding:
    """The same is right again."""
    return wrong(at, key, active=False, **given)
