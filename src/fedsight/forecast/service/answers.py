"""From what a forecaster knows to the answers of its routes. Pure but for the clock."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from fedsight.door.refusal import BadFieldError, RefusedError
from fedsight.door.times import rfc3339, rfc3339_column
from fedsight.forecast import mixture
from fedsight.forecast.service import quality, rows
from fedsight.forecast.service.looking import Seen
from fedsight.forecast.service.predictor import Known, Loaded
from fedsight.forecast.service.scoring import COUNT, Array
from fedsight.forecast.service.units import unit_of

#: Names of nodes that a 404 lists.
MOST_NAMED = 20


def model(loaded: Loaded) -> rows.ForecastModel:
    """The version at work."""
    shape = loaded.shape
    return rows.ForecastModel(
        loaded.version, loaded.made, shape.rows, shape.horizon, list(shape.quantiles)
    )


def node(one: Seen, loaded: Loaded) -> rows.NodeStanding:
    """How a node stands."""
    known, lacking = one.known, one.lacks
    last = rfc3339(int(known.times[-1])) if known is not None and len(known.times) else None
    wanted = loaded.shape.rows
    made = rfc3339(one.made) if one.told is not None else None
    if lacking is not None:
        told = (lacking.standing, lacking.message, lacking.rows, lacking.wanted)
        return rows.NodeStanding(one.node, *told, last, made, one.personal, [])
    assert known is not None
    count = len(known.values)
    outlook = _outlook(one, loaded)
    return rows.NodeStanding(
        one.node, "ready", _constant(one, loaded), count, wanted, last, made, one.personal, outlook
    )


def _constant(one: Seen, loaded: Loaded) -> str | None:
    """Which metrics are not foreseen since they never change; None where there is none."""
    scale = one.scale
    if scale is None or scale.varies.all():
        return None
    known = zip(loaded.shape.metrics, scale.mean.tolist(), scale.varies.tolist(), strict=True)
    said = ", ".join(f"{metric} is {value:g}" for metric, value, varies in known if not varies)
    return f"{one.node}: {said} throughout its window; a constant is not foreseen"


def _outlook(one: Seen, loaded: Loaded) -> list[rows.Outlook]:
    known, told = one.known, one.told
    if known is None or told is None:
        return []
    median = told[:, :, loaded.shape.quantiles.index(0.5)]
    peaks = median.argmax(axis=0).tolist()
    last, there = int(known.times[-1]), one.foreseen(loaded.shape.metrics)
    return [
        rows.Outlook(
            metric,
            float(known.values[-1, at]),
            float(median[peak, at]),
            rfc3339(last + (peak + 1) * known.step),
        )
        for at, (metric, peak) in enumerate(zip(loaded.shape.metrics, peaks, strict=True))
        if metric in there
    ]


def found(nodes: Mapping[str, Seen], name: str) -> Seen:
    """The node called so. Raises RefusedError 404 naming those that there are."""
    one = nodes.get(name)
    if one is not None:
        return one
    known = sorted(nodes)
    more = f" and {len(known) - MOST_NAMED} more" if len(known) > MOST_NAMED else ""
    there = f"there are {', '.join(known[:MOST_NAMED])}{more}" if known else "there is none yet"
    raise RefusedError(404, "not_found", f"no node {name[:128]!r} has a window; {there}")


def forecast(
    one: Seen, loaded: Loaded, query: rows.ForecastQuery, sums: Array | None, step: float
) -> rows.NodeForecast:
    """What is foreseen of a node; `sums` (scored horizons, metrics, SUMS) are its own.

    A metric that never changes there is left out. Raises RefusedError 409 where nothing is left,
    saying how many rows there are and are wanted or what is constant, and BadFieldError for a
    metric or a horizon that the model does not foresee.
    """
    if one.told is None or one.known is None or one.scale is None:
        message = "nothing was foreseen yet" if one.lacks is None else one.lacks.message
        code = "not_enough_rows" if one.lacks is None else one.lacks.standing
        raise RefusedError(409, code, message)
    shape = loaded.shape
    there = one.foreseen(shape.metrics)
    wanted = [each for each in _metrics(shape.metrics, query.metric) if each in there]
    if not wanted:
        raise RefusedError(409, "constant", _constant(one, loaded) or "it never changes")
    horizon = shape.horizon if query.horizon is None else query.horizon
    if horizon > shape.horizon:
        raise BadFieldError("horizon", f"the model foresees {shape.horizon} steps, got {horizon}")
    observed, told = one.known, one.told[:horizon]
    ahead = observed.times[-1] + observed.step * np.arange(1, horizon + 1, dtype=np.int64)
    times, past = rfc3339_column(ahead), rfc3339_column(observed.times)
    forecasts = [
        rows.MetricForecast(
            metric,
            unit_of(metric),
            times,
            {
                f"{level:g}": told[:, at, each].tolist()
                for each, level in enumerate(shape.quantiles)
            },
            rows.Observed(past, _known(observed, at)),
            _calibration(loaded, None if sums is None else sums[:, at]),
            _shares(one, at, horizon),
            int(one.scale.levels(shape.rows)[at]),
        )
        for at, metric in enumerate(shape.metrics)
        if metric in wanted
    ]
    return rows.NodeForecast(
        one.node,
        rfc3339(one.made),
        one.version,
        one.method,
        one.personal,
        shape.rows,
        step,
        horizon,
        forecasts,
    )


def _shares(one: Seen, at: int, horizon: int) -> dict[str, float] | None:
    if one.share is None:
        return None
    first = [begin for begin, _ in mixture.GROUPS if begin < horizon]
    return {str(begin + 1): float(one.share[begin, at]) for begin in first}


def _metrics(metrics: tuple[str, ...], wanted: str | None) -> tuple[str, ...]:
    if wanted is None:
        return metrics
    if wanted not in metrics:
        raise BadFieldError("metric", f"the model foresees {', '.join(metrics)}, got {wanted!r}")
    return (wanted,)


def _known(observed: Known, at: int) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in observed.values[:, at].tolist()]


def target(loaded: Loaded) -> float:
    """The share of values that the outer quantiles are to hold between them."""
    levels = loaded.shape.quantiles
    return round(levels[-1] - levels[0], 9)


def _calibration(loaded: Loaded, sums: Array | None) -> rows.Calibration:
    count = 0 if sums is None else int(sums[:, COUNT].sum())
    held = None if sums is None else quality.coverage(sums)
    return rows.Calibration(target(loaded), held, count)


def qualities(
    loaded: Loaded,
    horizons: tuple[int, ...],
    sums: Mapping[str, Array],
    seen: Mapping[str, Seen],
    query: rows.QualityQuery,
    step: float,
) -> list[rows.MetricQuality]:
    """Errors of each metric, of all nodes together and of those on the query's page.

    Raises BadFieldError for a metric that the model does not foresee.
    """
    wanted = _metrics(loaded.shape.metrics, query.metric)
    names = sorted(sums)
    page = names[query.offset : query.offset + query.limit]
    total = np.sum(list(sums.values()), axis=0) if sums else None
    return [
        rows.MetricQuality(
            metric,
            unit_of(metric),
            None if total is None else quality.coverage(total[:, at]),
            [] if total is None else quality.by_horizon(total[:, at], horizons, step),
            list(_nodes(page, sums, seen, at, horizons, step)),
        )
        for at, metric in enumerate(loaded.shape.metrics)
        if metric in wanted
    ]


def _nodes(
    names: Iterable[str],
    sums: Mapping[str, Array],
    seen: Mapping[str, Seen],
    at: int,
    horizons: tuple[int, ...],
    step: float,
) -> Iterable[rows.NodeQuality]:
    for name in names:
        own = sums[name][:, at]
        held = quality.coverage(own)
        now = seen.get(name)
        method = None if now is None or now.told is None else now.method
        yield rows.NodeQuality(name, method, held, quality.by_horizon(own, horizons, step))
