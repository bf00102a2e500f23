"""Prometheus' text and OpenMetrics as samples, and what is refused."""

from __future__ import annotations

import contextlib
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsight.collector.monitors.asking import Asking, Page
from fedsight.collector.monitors.contract import AwayError, ForeignAnswerError
from fedsight.collector.monitors.exposition import OPEN_METRICS, Bounds, parsed
from fedsight.collector.monitors.prometheus import PrometheusMonitor
from fedsight.signals import Sample
from tests.collector.monitors.board import figures, in_loop
from tests.collector.stub_service import StubService

BOUNDS = Bounds()
NOW = 1_764_072_000_000_000_000
TEXT = b"""# HELP scaph_host_energy_microjoules Energy.
# TYPE scaph_host_energy_microjoules counter
scaph_host_energy_microjoules 12
# TYPE node_cpu_seconds_total counter
node_cpu_seconds_total{cpu="0",mode="idle"} 3.5 1764071990000
# TYPE latency histogram
latency_bucket{le="0.1"} 3
latency_bucket{le="+Inf"} 4
latency_sum 0.5
latency_count 4
temperature{empty=""} -3
broken NaN
endless +Inf
"""
OPEN = b"""# TYPE requests counter
requests_total{path="/"} 7 1764071990.5
requests_created{path="/"} 1764071000 1764071990.5
# EOF
"""


def read(text: bytes, kind: str = "text/plain", bounds: Bounds = BOUNDS) -> list[Sample]:
    return parsed(Page(kind, text), {"job": "x"}, bounds, NOW)


def values(found: list[Sample]) -> dict[str, float]:
    return {f"{one.name} {dict(one.labels)}": one.value for one in found}


def test_text_keeps_its_names_and_what_is_not_finite_is_absent() -> None:
    found = read(TEXT)
    assert values(found) == {
        "scaph_host_energy_microjoules {'job': 'x'}": 12.0,
        "node_cpu_seconds_total {'job': 'x', 'cpu': '0', 'mode': 'idle'}": 3.5,
        "latency_bucket {'job': 'x', 'le': '0.1'}": 3.0,
        "latency_bucket {'job': 'x', 'le': '+Inf'}": 4.0,
        "latency_sum {'job': 'x'}": 0.5,
        "latency_count {'job': 'x'}": 4.0,
        "temperature {'job': 'x'}": -3.0,
    }
    assert found[0].time == NOW
    assert found[1].time == NOW - 10 * 10**9


def test_openmetrics_is_read_with_its_times() -> None:
    found = read(OPEN, OPEN_METRICS)
    assert values(found) == {"requests_total {'job': 'x', 'path': '/'}": 7.0}
    assert found[0].time == NOW - 10 * 10**9 + 500_000_000


def test_labels_that_are_ours_are_kept_under_another_name() -> None:
    (found,) = read(b'fl_accuracy{run="r-1",job="y",node="n"} 0.9')
    assert found.labels == {"job": "x", "exported_run": "r-1", "exported_job": "y", "node": "n"}


def test_series_that_signals_cannot_hold_are_left_out() -> None:
    many = ",".join(f'l{at}="1"' for at in range(9))
    long = "x" * 300
    found = read(f'a{{{many}}} 1\nb{{c="{long}"}} 2\n{long} 3\ngood 4\n'.encode())
    assert [one.name for one in found] == ["good"]


def test_a_label_may_hold_what_elsewhere_ends_a_line() -> None:
    text = 'a{b="one\u2028two\x85three\x0bfour"} 1\r\nc 2\n'
    first, second = read(text.encode())
    assert first.labels["b"] == "one\u2028two\x85three\x0bfour"
    assert (first.value, second.name, second.value) == (1.0, "c", 2.0)


@pytest.mark.parametrize("page", [b"<html>", b"a b c d e", b'a{b="c} 1', b"\xff\xfe", b"a{"])
def test_what_is_no_prometheus_text_is_refused(page: bytes) -> None:
    with pytest.raises(ForeignAnswerError):
        read(page)
    with pytest.raises(ForeignAnswerError):
        read(page, OPEN_METRICS)


def test_openmetrics_without_its_end_was_cut_off() -> None:
    with pytest.raises(ForeignAnswerError):
        read(OPEN.replace(b"# EOF\n", b""), OPEN_METRICS)


def test_more_than_the_bound_is_refused_as_a_whole() -> None:
    page = b"".join(b'a{b="%d"} 1\n' % at for at in range(11))
    assert len(read(page, bounds=Bounds(samples=11))) == 11
    with pytest.raises(ForeignAnswerError, match="more than 10 samples"):
        read(page, bounds=Bounds(samples=10))


@given(st.binary(max_size=400) | st.text('a{}="1,\n #EOFTYPE\\', max_size=80).map(str.encode))
def test_no_page_breaks_the_reader(page: bytes) -> None:
    for kind in ("text/plain", OPEN_METRICS):
        with contextlib.suppress(ForeignAnswerError):
            read(page, kind)


@in_loop
async def test_a_target_is_scraped_at_its_path() -> None:
    with StubService(lambda _: (200, TEXT), "text/plain; version=0.0.4") as stub:
        asking = Asking()
        monitor = PrometheusMonitor(asking, "power", f"{stub.url}/m?x=1", Bounds())
        found = await monitor.collect(None)
        await asking.close()
    assert stub.asked[0].path == "/m?x=1"
    assert "openmetrics" in stub.asked[0].headers["accept"]
    assert figures(found)["scaph_host_energy_microjoules{job=power}"] == 12.0
    assert monitor.name == "prometheus:power"


@in_loop
async def test_a_target_that_sends_too_much_or_redirects_is_refused() -> None:
    asking = Asking()
    with StubService(lambda _: (200, b"#" * 2000), "text/plain") as stub:
        monitor = PrometheusMonitor(asking, "x", stub.url, Bounds(bytes=1000))
        with pytest.raises(ForeignAnswerError, match="more than 1000 bytes"):
            await monitor.collect(None)
    with StubService(lambda _: (302, b""), "text/plain") as stub:
        monitor = PrometheusMonitor(asking, "x", stub.url, Bounds())
        with pytest.raises(ForeignAnswerError, match="answered 302"):
            await monitor.collect(None)
    with StubService(lambda _: (200, TEXT), "text/plain") as stub:
        forbidden = stub.url.replace("127.0.0.1", "0.0.0.0")
        with pytest.raises(AwayError, match="no address of a host"):
            await PrometheusMonitor(asking, "x", forbidden, Bounds()).collect(None)
    with pytest.raises(AwayError):
        await PrometheusMonitor(asking, "x", stub.url, Bounds()).collect(None)
    await asking.close()


@in_loop
async def test_an_answer_that_is_packed_is_refused_before_it_is_unpacked() -> None:
    bomb = gzip.compress(bytes(64 * 2**20))
    asking = Asking()
    with StubService(lambda _: (200, bomb), headers={"Content-Encoding": "gzip"}) as target:
        monitor = PrometheusMonitor(asking, "x", target.url, BOUNDS)
        with pytest.raises(ForeignAnswerError, match="answered packed"):
            await monitor.collect(None)
    await asking.close()
    assert target.asked[0].headers["accept-encoding"] == "identity"


@in_loop
async def test_a_token_in_the_address_is_told_to_nobody() -> None:
    asking = Asking()
    with StubService(lambda _: (500, b"")) as target:
        monitor = PrometheusMonitor(asking, "x", f"{target.url}/metrics?token=SECRET", BOUNDS)
        with pytest.raises(ForeignAnswerError) as error:
            await monitor.collect(None)
    await asking.close()
    assert target.asked[0].path == "/metrics?token=SECRET"
    assert "SECRET" not in f"{monitor.address} {error.value}"
