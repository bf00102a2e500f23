"""Histograms and summaries become the numbers that Prometheus has of them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.telemetry.bridge.asked import NOW, figures, metrics, read


def histogram(**fields: Any) -> Any:
    request, found = metrics()
    found.add(name="h").histogram.aggregation_temporality = 2
    found[0].histogram.data_points.add(time_unix_nano=NOW, **fields)
    return request


def exponential(positive: Any = None, negative: Any = None, **fields: Any) -> Any:
    request, found = metrics()
    data = found.add(name="e").exponential_histogram
    data.aggregation_temporality = 2
    point = data.data_points.add(time_unix_nano=NOW, **fields)
    for buckets, said in ((point.positive, positive), (point.negative, negative)):
        if said is not None:
            buckets.offset, counts = said
            buckets.bucket_counts.extend(counts)
    return request


def test_a_histogram_counts_what_is_at_most_each_bound() -> None:
    request = histogram(
        count=6, sum=12.5, bucket_counts=[1, 2, 3], explicit_bounds=[0.5, 10], min=0.1, max=9
    )
    assert figures(read(request)) == {
        "h_count": 6.0,
        "h_sum": 12.5,
        "h_min": 0.1,
        "h_max": 9.0,
        "h_bucket{le=0.5}": 1.0,
        "h_bucket{le=10}": 3.0,
        "h_bucket{le=+Inf}": 6.0,
    }


def test_a_histogram_without_buckets_has_sum_and_count() -> None:
    assert figures(read(histogram(count=2, sum=3.0))) == {"h_count": 2.0, "h_sum": 3.0}
    assert figures(read(histogram(count=2, sum=math.nan))) == {"h_count": 2.0}


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"count": 1, "bucket_counts": [1], "explicit_bounds": [1.0]}, "one bucket more"),
        ({"count": 1, "bucket_counts": [1, 0, 0], "explicit_bounds": [2.0, 1.0]}, "that rise"),
        ({"count": 9, "bucket_counts": [1, 0], "explicit_bounds": [1.0]}, "add up"),
        ({"count": 0, "bucket_counts": [0] * 600, "explicit_bounds": range(599)}, "at most 512"),
        ({"count": 0, "time_unix_nano": 0}, "the time is 0"),
    ],
)
def test_a_histogram_that_contradicts_itself_is_rejected_whole(
    fields: dict[str, Any], why: str
) -> None:
    request = histogram(**{key: said for key, said in fields.items() if key != "time_unix_nano"})
    if "time_unix_nano" in fields:
        request.resource_metrics[0].scope_metrics[0].metrics[0].histogram.data_points[
            0
        ].time_unix_nano = 0
    reading = read(request)
    assert len(reading.samples) == 0
    assert reading.verdict.refused == 1
    assert why in reading.verdict.message("data points")


def test_an_exponential_histogram_is_merged_at_powers_of_two() -> None:
    # At scale 1 bucket i ends at 2^((i+1)/2): buckets 0 and 1 end at 1.41 and 2, 2 and 3 at 4.
    request = exponential((0, [1, 2, 3, 4]), count=15, zero_count=5, sum=20.0, scale=1)
    assert figures(read(request)) == {
        "e_count": 15.0,
        "e_sum": 20.0,
        "e_bucket{le=0}": 5.0,
        "e_bucket{le=2}": 8.0,
        "e_bucket{le=4}": 15.0,
        "e_bucket{le=+Inf}": 15.0,
    }


def test_negative_and_coarse_buckets() -> None:
    # At scale -1 bucket i ends at 4^(i+1); a negative one holds [-4^(i+1), -4^i).
    request = exponential((-1, [2]), (0, [3, 1]), count=6, scale=-1)
    assert figures(read(request)) == {
        "e_count": 6.0,
        "e_bucket{le=-4}": 1.0,
        "e_bucket{le=-1}": 4.0,
        "e_bucket{le=0}": 4.0,
        "e_bucket{le=1}": 6.0,
        "e_bucket{le=+Inf}": 6.0,
    }


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"scale": 100}, "the scale"),
        ({"scale": 0, "count": 3}, "add up"),
        ({"scale": 0, "zero_threshold": math.nan}, "threshold"),
    ],
)
def test_an_exponential_histogram_that_cannot_be_is_rejected(said: Any, why: str) -> None:
    assert why in read(exponential(**said)).verdict.message("data points")


def test_buckets_beyond_all_numbers_are_rejected() -> None:
    for offset in (2**31 - 1, -(2**31), 5000):
        reading = read(exponential((offset, [1]), count=1, scale=0))
        assert "beyond what a number can be" in reading.verdict.message("data points")
    reading = read(exponential((-1000, [1, *[0] * 1500, 1]), count=2, scale=0))
    assert "powers of two" in reading.verdict.message("data points")


def test_a_summary_has_its_quantiles() -> None:
    request, found = metrics()
    point = found.add(name="s").summary.data_points.add(time_unix_nano=NOW, count=4, sum=8.0)
    point.quantile_values.add(quantile=0.5, value=2.0)
    point.quantile_values.add(quantile=0.99, value=math.nan)
    assert figures(read(request)) == {"s_count": 4.0, "s_sum": 8.0, "s{quantile=0.5}": 2.0}


def test_a_distribution_that_was_not_measured_is_absent() -> None:
    reading = read(histogram(flags=1))
    assert (reading.verdict.absent, reading.verdict.taken) == (1, 0)
