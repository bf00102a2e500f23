"""Looks at the operator's threshold rules again and again, over the store of samples."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from fedsight.collector.alerts.finding import Finding, Findings
from fedsight.collector.alerts.threshold import ThresholdRule
from fedsight.collector.alerts.words import figure, named
from fedsight.collector.store.contract import NAME_LABEL, Matcher, Points, SampleSearch, Selection
from fedsight.door.times import now_ns
from fedsight.signals import series_key

logger = logging.getLogger(__name__)

SECOND = 10**9
#: One window over whatever the selection holds.
WHOLE = 2**62
#: Series of one rule that are looked at; a rule over more is told to be narrowed.
MOST_SERIES = 1000


class Search(Protocol):
    """`Collector.search`."""

    def __call__(self, question: Callable[[SampleSearch], Any]) -> Awaitable[Any]:
        """What `question` answers about samples."""
        ...


def selection_of(rule: ThresholdRule, now: int) -> Selection:
    """The samples that a rule looks at."""
    labels = (Matcher(name, "=", text) for name, text in rule.labels.items())
    start = now - int(rule.window_seconds * SECOND)
    return Selection((Matcher(NAME_LABEL, "=", rule.metric), *labels), start, now + 1)


def judged(rule: ThresholdRule, points: Points, now: int) -> Finding:
    """What a rule says of one series, of which `points` has the aggregate."""
    value = float(points.value[-1])
    labels = dict(points.series.labels)
    series = series_key(points.series.name, labels)
    where = named(points.series.name, labels)
    side = "above" if rule.above is not None else "below"
    return Finding(
        type=rule.name,
        severity=rule.severity,
        message=f"{rule.aggregated} {where} is {figure(value)}, {side} {figure(rule.threshold)}",
        key=f"rule/{rule.name}/{series}",
        time=now,
        active=rule.is_broken(value),
        current_value=value,
        threshold=rule.threshold,
        run=labels.get("run"),
        node=labels.get("node"),
        labels=labels,
        evidence={"rule": rule.fires_when},
    )


class Evaluating:
    """Evaluates all rules every `pause` seconds. A rule that fails is told, and tried again.

    A series without samples in the window is not known, which is neither right nor wrong.
    """

    def __init__(
        self, rules: Sequence[ThresholdRule], pause: float, search: Search, findings: Findings
    ) -> None:
        self._rules = rules
        self._pause = pause
        self._search = search
        self._findings = findings
        self._errors: dict[str, str] = {}

    @property
    def error(self) -> str | None:
        """Which rules cannot be evaluated, and why; None where all can."""
        return "; ".join(self._errors.values()) or None

    async def run(self) -> None:
        """Evaluate until cancelled."""
        while True:
            for rule in self._rules:
                try:
                    await self.evaluate(rule, now_ns())
                    self._errors.pop(rule.name, None)
                except Exception as error:  # one rule that fails must not stop the others
                    if rule.name not in self._errors:
                        logger.warning("alert rule %s cannot be evaluated: %s", rule.name, error)
                    self._errors[rule.name] = f"rule {rule.name}: {error}"
            await asyncio.sleep(self._pause)

    async def evaluate(self, rule: ThresholdRule, now: int) -> None:
        """Look at every series of a rule, and report what is so. Raises what the search raises."""
        selection = selection_of(rule, now)
        found: list[Points] = await self._search(
            lambda samples: samples.windows(selection, WHOLE, rule.aggregation)
        )
        if len(found) > MOST_SERIES:
            raise ValueError(f"it is about {len(found)} series, at most {MOST_SERIES}: name labels")
        # A sum beyond all floats is no figure to compare.
        known = (one for one in found if len(one.value) and math.isfinite(one.value[-1]))
        self._findings.report([judged(rule, points, now) for points in known])
