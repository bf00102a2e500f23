"""Whatever a target answers becomes a request that decodes, or a PageError."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest as Request,
)

from fedsight.telemetry.agent.exposition import Bounds, PageError, parsed
from fedsight.telemetry.agent.otlp import request
from fedsight.telemetry.agent.starts import Starts
from tests.telemetry.agent.test_exposition import HISTOGRAM, SCAPHANDRE
from tests.telemetry.agent.test_otlp import ORIGIN, SECOND

SUMMARY = '# TYPE s summary\ns{quantile="0.5"} 1\ns_sum 2\ns_count 3\n'
OPEN = "# TYPE c counter\nc_total 5 1.5\nc_created 1 1.5\n# EOF\n"
PIECES = (
    b"1e400",
    b"-1",
    b"NaN",
    b"1e30",
    b"\xff",
    b"\x00",
    b"\n",
    b'"',
    b"{",
    b"}",
    b"#",
    b" ",
    b"le",
)


def taken(page: bytes, *, open_metrics: bool) -> None:
    """Parse and encode it."""
    try:
        scraped = parsed(page, open_metrics=open_metrics, bounds=Bounds())
    except PageError:
        return
    Request.FromString(request(scraped, ORIGIN, Starts(), SECOND))


@settings(max_examples=200, deadline=None)
@given(
    page=some.sampled_from((HISTOGRAM, SCAPHANDRE, SUMMARY, OPEN)),
    cuts=some.lists(some.tuples(some.floats(0, 1), some.sampled_from(PIECES)), max_size=4),
    over=some.integers(0, 12),
    open_metrics=some.booleans(),
)
def test_pages_with_pieces_put_in(
    page: str, cuts: list[tuple[float, bytes]], over: int, open_metrics: bool
) -> None:
    body = page.encode()
    for where, piece in cuts:
        at = int(where * len(body))
        body = body[:at] + piece + body[at + over :]
    taken(body if body.endswith(b"\n") else body + b"\n", open_metrics=open_metrics)


@settings(max_examples=100, deadline=None)
@given(body=some.binary(max_size=200), open_metrics=some.booleans())
def test_bytes(body: bytes, open_metrics: bool) -> None:
    taken(body, open_metrics=open_metrics)


@pytest.mark.parametrize(
    "page",
    [
        "load 1 99999999999999999999\n",
        "load 1 -5\n",
        HISTOGRAM.replace("} 6", "} 1e30"),
        SUMMARY.replace("count 3", "count 1e30"),
        SUMMARY.replace("count 3", "count -1"),
    ],
)
def test_numbers_that_no_whole_number_holds(page: str) -> None:
    taken(page.encode(), open_metrics=False)


def test_a_start_that_cannot_be_is_none() -> None:
    taken(OPEN.replace("created 1 ", "created 1e30 ").encode(), open_metrics=True)


def test_a_line_without_end_costs_no_minutes() -> None:
    labels = ",".join(f'l{number}="x"' for number in range(300_000))
    began = time.process_time()
    with pytest.raises(PageError, match="a line of more than 65536 bytes"):
        parsed(f"a{{{labels}}} 1\n".encode(), open_metrics=False, bounds=Bounds())
    assert time.process_time() - began < 1
