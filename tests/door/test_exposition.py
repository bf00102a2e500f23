"""The text format: literal pages, and pages read back by the format's grammar."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsight.door.exposition import Family, Figure, Histogram, number, text

LINE = re.compile(r'^([a-z_]+)(?:\{le="([^"]+)"\})? (\S+)$')


def read(page: str) -> dict[tuple[str, str | None], float]:
    """Every value by name and bucket, as the format's grammar has them."""
    found = {}
    for line in page.splitlines():
        if not line.startswith("#"):
            match = LINE.match(line)
            assert match is not None, line
            found[match[1], match[2]] = float(match[3])
    return found


def test_a_gauge_is_three_lines() -> None:
    family = Family("fl_accuracy", "gauge", "Held-out accuracy.", (Figure(0.75),))
    assert text([family]) == (
        "# HELP fl_accuracy Held-out accuracy.\n# TYPE fl_accuracy gauge\nfl_accuracy 0.75\n"
    )


def test_what_was_not_measured_has_no_line() -> None:
    assert text([Family("fl_accuracy", "gauge", "Held-out accuracy.", ())]) == ""


def test_labels_and_help_are_escaped() -> None:
    figure = Figure(1, {"path": 'a"b\\c\nd'})
    assert text([Family("x", "gauge", "a\\b\nc", (figure,))]).splitlines() == [
        "# HELP x a\\\\b\\nc",
        "# TYPE x gauge",
        'x{path="a\\"b\\\\c\\nd"} 1',
    ]


@pytest.mark.parametrize(
    ("value", "written"),
    [(3, "3"), (3.0, "3"), (0.1, "0.1"), (1e300, "1e+300"), (math.inf, "+Inf"), (math.nan, "NaN")],
)
def test_numbers(value: float, written: str) -> None:
    assert number(value) == written


def test_a_histogram_is_cumulative() -> None:
    histogram = Histogram((0.5, 1.0))
    for value in (0.25, 0.5, 0.75, 8.0):
        histogram.observe(value)
    page = text([Family("s", "histogram", "Seconds.", histogram.figures())])
    assert page.splitlines()[2:] == [
        's_bucket{le="0.5"} 2',
        's_bucket{le="1"} 3',
        's_bucket{le="+Inf"} 4',
        "s_sum 9.5",
        "s_count 4",
    ]


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e6), max_size=50))
def test_buckets_hold_what_is_at_most_their_bound(values: list[float]) -> None:
    bounds = (0.1, 1.0, 10.0, 1000.0)
    histogram = Histogram(bounds)
    for value in values:
        histogram.observe(value)
    found = read(text([Family("s", "histogram", "Seconds.", histogram.figures())]))
    for bound in bounds:
        assert found["s_bucket", number(bound)] == sum(value <= bound for value in values)
    assert found["s_bucket", "+Inf"] == found["s_count", None] == len(values)
