"""Counters and gauges of the collector, as families of `prometheus_client`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

PREFIX = "fedsight_collector_"

#: Figures by the values of their labels.
Labelled = Mapping[tuple[str, ...], float]


def counter(name: str, about: str, value: float | Labelled, *labels: str) -> Metric:
    """A counter with one sample, or with one for each set of labels; `name` without `_total`."""
    found = CounterMetricFamily(PREFIX + name, about, labels=labels)
    for key, each in _samples(value):
        found.add_metric(key, each)
    return found


def gauge(name: str, about: str, value: float | Labelled, *labels: str) -> Metric:
    """As `counter`, for a figure that also falls."""
    found = GaugeMetricFamily(PREFIX + name, about, labels=labels)
    for key, each in _samples(value):
        found.add_metric(key, each)
    return found


def _samples(
    value: float | Labelled,
) -> Iterable[tuple[tuple[str, ...], float]]:
    return value.items() if isinstance(value, Mapping) else [((), value)]
