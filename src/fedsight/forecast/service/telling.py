"""What becomes samples and events in the collector: docs/metrics.md has the names. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import compress

from fedsight.forecast.service.drift import DriftFigures
from fedsight.forecast.service.scoring import METHODS, Array, Score
from fedsight.signals import Event, Sample

SOURCE = "forecast"


def foretold(
    node: str,
    metrics: Sequence[str],
    there: Sequence[bool],
    levels: Sequence[float],
    told: Iterable[tuple[int, int, Array]],
) -> Iterator[Sample]:
    """A sample for each quantile of the metrics that are `there`; `told` are horizon, its time and
    values (metrics, quantiles)."""
    for horizon, time, values in told:
        for metric, line in compress(zip(metrics, values.tolist(), strict=True), there):
            for level, value in zip(levels, line, strict=True):
                labels = {
                    "node": node,
                    "metric": metric,
                    "horizon": str(horizon),
                    "quantile": f"{level:g}",
                }
                yield Sample(time, "forecast_value", value, None, labels)


def missed(node: str, metrics: Sequence[str], horizon: int, score: Score) -> Iterator[Sample]:
    """How wrong each method was, and whether the value lay within the interval."""
    inside = score.inside.tolist()
    for at, metric in compress(enumerate(metrics), score.there.tolist()):
        labels = {"node": node, "metric": metric, "horizon": str(horizon)}
        yield Sample(score.time, "forecast_covered_ratio", float(inside[at]), None, labels)
        for method, errors in zip(METHODS, score.errors.tolist(), strict=True):
            named = {**labels, "method": method}
            yield Sample(score.time, "forecast_absolute_error", abs(errors[at]), None, named)


def suggested(time: int, version: str, drift: DriftFigures) -> Event:
    """Training again is advised."""
    details = {
        "message": (
            f"the loss of model {version} is {drift.ratio or 0:.2f} times what it was at first;"
            f" {drift.threshold:g} times is drift: train again on newer rows"
        ),
        "version": version,
        "ratio": drift.ratio,
        "threshold": drift.threshold,
        "recent": drift.recent,
        "reference": drift.reference,
    }
    return Event(time, SOURCE, "RETRAIN_SUGGESTED", details=details)


def calm(time: int, version: str, served: str, drift: DriftFigures | None) -> Event:
    """Drift of `version` is over: `served` foresees now, or its error is back."""
    why = (
        f"the loss of model {version} is {drift.ratio or 0:.2f} times what it was at first again"
        if drift is not None
        else f"model {served} is served in the place of {version}, whose error drifted"
    )
    details = {"message": why, "version": version, "served": served}
    if drift is not None:
        details |= {"ratio": drift.ratio, "threshold": drift.threshold}  # type: ignore[dict-item]
    return Event(time, SOURCE, "DRIFT_ENDED", details=details)


def started(time: int, version: str, run: str) -> Event:
    """Training again was begun."""
    details = {
        "message": f"run {run} trains again after {version}",
        "version": version,
        "started_run": run,
    }
    return Event(time, SOURCE, "RETRAIN_STARTED", details=details)


def refused(time: int, version: str, message: str) -> Event:
    """Training again was asked for, and could not begin."""
    return Event(time, SOURCE, "RETRAIN_FAILED", details={"message": message, "version": version})
