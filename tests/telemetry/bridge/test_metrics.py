"""A metrics request becomes samples: names, labels, times, values, and what cannot be one."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsight.journal.codec import Codec
from fedsight.signals import Batch
from fedsight.telemetry.bridge.metrics import MalformedError, MetricsReader
from fedsight.telemetry.bridge.room import Room
from fedsight.telemetry.bridge.series import Interned
from tests.telemetry.bridge.asked import NOW, figures, gauge, metrics, put, read, reader

NO_VALUE = 1
LITTLE_NOW = NOW.to_bytes(8, "little")


def test_a_gauge_is_a_sample_with_the_labels_of_point_and_resource() -> None:
    reading = read(gauge("room.celsius", value=21.5, room="lab"))
    (series,) = reading.samples.series
    assert series.name == "room.celsius"
    assert series.labels == {"service": "shop", "node": "edge-1", "at": "0", "room": "lab"}
    assert (reading.samples.time, reading.samples.value) == ([NOW], [21.5])
    assert reading.samples.round == [None]


def test_whole_numbers_stay_right() -> None:
    request, found = metrics()
    data = found.add(name="bytes").sum
    data.aggregation_temporality, data.is_monotonic = 2, True
    for at, value in enumerate((0, 7, -3, 2**53, 10**15)):
        point = data.data_points.add(time_unix_nano=NOW, start_time_unix_nano=NOW - 1)
        point.as_int = value
        put(point.attributes, {"at": at})
    assert read(request).samples.value == [0.0, 7.0, -3.0, float(2**53), 1e15]


def test_a_delta_is_not_mixed_with_a_counter() -> None:
    request, found = metrics()
    found.add(name="a").sum.aggregation_temporality = 1
    found.add(name="b").sum.aggregation_temporality = 2
    for metric in found:
        metric.sum.data_points.add(time_unix_nano=NOW, as_double=2.0)
    assert figures(read(request)) == {"a_delta": 2.0, "b": 2.0}


def test_sockets_that_differ_by_an_attribute_stay_two_series() -> None:
    samples = read(gauge(points=2)).samples
    assert samples.index == [0, 1]
    assert [series.labels["at"] for series in samples.series] == ["0", "1"]


def test_labels_of_a_resource() -> None:
    said = {
        "service.name": "shop",
        "service.namespace": "eu",
        "service.instance.id": "i-1",
        "fedsight.node": "n-1",
        "host.name": "h-1",
        "fedsight.run": "r-1",
        "cloud.region": "eu-1",
    }
    body = gauge(resource=said)
    (series,) = reader("cloud.region").read(body).samples.series
    assert series.labels == {
        "service": "eu/shop",
        "instance": "i-1",
        "node": "n-1",
        "run": "r-1",
        "cloud.region": "eu-1",
        "at": "0",
    }


def test_a_points_own_label_stands_aside_where_the_name_is_taken() -> None:
    (series,) = read(gauge(node="k8s-7", scope="x")).samples.series
    assert series.labels["node"] == "edge-1"
    assert series.labels["exported_node"] == "k8s-7"


def test_the_round_is_no_label() -> None:
    request, found = metrics()
    point = found.add(name="loss").gauge.data_points.add(time_unix_nano=NOW, as_double=0.1)
    put(point.attributes, {"fedsight.round": 7, "fedsight.run": "r-1"})
    samples = read(request).samples
    assert samples.round == [7]
    assert "run" in samples.series[0].labels
    assert "fedsight.round" not in samples.series[0].labels


def test_values_of_attributes_are_text() -> None:
    request, found = metrics({})
    point = found.add(name="x").gauge.data_points.add(time_unix_nano=NOW, as_double=1)
    put(point.attributes, {"b": True, "i": 4, "f": 0.5, "l": [1, "a"], "raw": b"\x00", "none": ""})
    assert read(request).samples.series[0].labels == {
        "b": "true",
        "i": "4",
        "f": "0.5",
        "l": '[1,"a"]',
        "raw": "AA==",
    }


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (gauge(time=0), "the time is 0"),
        (gauge(time=NOW // 10**6), "before 2000"),
        (gauge(time=2**63), "after 2200"),
        (gauge("9lives"), "the name '9lives'"),
        (gauge("x" * 129), "at most 128"),
        (gauge(cmdline="x" * 257), "'cmdline' must have at most 256"),
        (gauge(**{"a b": "c"}), "the label 'a b'"),
        (gauge(**{f"l{at}": "x" for at in range(6)}), "at most 8 labels, got 9"),
        (gauge(**{"fedsight.round": "seven"}), "fedsight.round must be a whole number"),
        (gauge(resource={"service.name": "x" * 300}), "'service' must have at most 256"),
    ],
)
def test_what_a_sample_cannot_be_is_rejected_with_the_reason(body: bytes, why: str) -> None:
    reading = read(body)
    assert len(reading.samples) == 0
    assert (reading.verdict.taken, reading.verdict.refused) == (0, 1)
    assert why in reading.verdict.message("data points")


def test_one_bad_point_takes_no_other_with_it() -> None:
    request, found = metrics()
    data = found.add(name="x").gauge.data_points
    for at, time in enumerate((NOW, 0, NOW)):
        put(data.add(time_unix_nano=time, as_double=at).attributes, {"at": at})
    reading = read(request)
    assert reading.samples.value == [0.0, 2.0]
    assert (reading.verdict.taken, reading.verdict.refused) == (2, 1)


def test_what_was_not_measured_is_absent() -> None:
    request, found = metrics()
    data = found.add(name="x").gauge.data_points
    for at, value in enumerate((math.nan, math.inf, 1.0)):
        put(data.add(time_unix_nano=NOW, as_double=value).attributes, {"at": at})
    data.add(time_unix_nano=NOW, flags=NO_VALUE)
    reading = read(request)
    assert reading.samples.value == [1.0]
    assert (reading.verdict.absent, reading.verdict.refused) == (3, 0)
    assert "2 values that are no finite number" in reading.verdict.message("data points")


def test_a_point_without_a_value_is_rejected() -> None:
    request, found = metrics()
    found.add(name="x").gauge.data_points.add(time_unix_nano=NOW)
    found.add(name="nothing")
    assert read(request).verdict.refused == 2


def test_a_unit_that_changes_is_told_each_time() -> None:
    known = reader()
    told = [known.read(gauge(unit=unit)).units for unit in ("W", "W", "kW", "W")]
    assert [len(changes) for changes in told] == [0, 0, 1, 1]
    assert (told[2][0].before, told[2][0].after) == ("W", "kW")


def test_windows_are_given_what_they_want_with_the_points_own_labels() -> None:
    known = MetricsReader(Interned(), lambda origin: frozenset({"load"}))
    reading = known.read(gauge("load", points=2, unit="1"))
    ((origin, points),) = reading.windows
    assert origin.resource["host.name"] == "edge-1"
    assert [(p.name, p.time, p.value, dict(p.attributes), p.unit) for p in points] == [
        ("load", NOW, 0.5, {"at": "0"}, "1"),
        ("load", NOW, 1.5, {"at": "1"}, "1"),
    ]
    assert reading.unmatched == {}
    assert known.read(gauge("other", points=3)).unmatched == {"other": 3}


@pytest.mark.parametrize("body", [b"\x0a", b"\xff" * 20, b"\x0a\x05hello", gauge()[:-3]])
def test_what_is_no_request_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedError):
        read(body)


LONG = dict.fromkeys(
    ("service.name", "host.name", "fedsight.run", "service.instance.id"), "s" * 250
)


def test_what_a_request_comes_to_is_bounded() -> None:
    body = gauge(points=3000, resource=LONG)
    most = Room(len(body)).most
    wants = MetricsReader(Interned(), lambda _: frozenset({"load"}))
    for by_layout in (True, True, True, False):
        reading = wants.read(body, by_layout=by_layout)
        size = len(Codec().encode(Batch(reading.samples)))
        assert 0.7 * most < size < most
        assert len(reading.samples) == reading.verdict.taken == len(reading.windows[0][1])
        assert reading.verdict.taken + reading.verdict.refused == 3000
        assert size <= reading.verdict.size <= most
        assert f"a request must come to at most {most} bytes" in reading.verdict.message("points")


def test_a_histogram_beyond_what_a_request_comes_to_is_rejected_whole() -> None:
    request, found = metrics(LONG)
    for at in range(100):
        point = found.add(name=f"h{at}").histogram.data_points.add(time_unix_nano=NOW, count=29)
        point.explicit_bounds.extend(map(float, range(28)))
        point.bucket_counts.extend([1] * 29)
    found.add(name="load").gauge.data_points.add(time_unix_nano=NOW, as_double=1.0)
    reading = read(request)
    assert 0 < reading.verdict.taken < 100
    assert len(reading.samples) == 30 * reading.verdict.taken
    assert reading.verdict.taken + reading.verdict.refused == 101


def test_many_points_of_few_series_are_taken() -> None:
    request, found = metrics()
    points = found.add(name="x" * 120).gauge.data_points
    for at in range(20_000):
        points.add(time_unix_nano=NOW + at, as_double=1 / (at + 3))
    reading = read(request)
    assert (reading.verdict.taken, reading.verdict.refused) == (20_000, 0)
    assert reading.verdict.size > len(Codec().encode(Batch(reading.samples)))


def test_memory_of_series_is_bounded() -> None:
    interned = Interned()
    known = MetricsReader(interned, lambda _: frozenset())
    for at in range(210):
        known.read(gauge(points=500, resource={"host.name": f"h-{at}"}))
        assert interned.count <= 100_600


def test_memory_of_series_is_bounded_for_one_resource_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedsight.telemetry.bridge.series.REMEMBERED", 1000)
    interned = Interned()
    known = MetricsReader(interned, lambda _: frozenset())
    for at in range(30):
        known.read(gauge(points=100, pid=at))
        assert interned.count <= 1102


def test_a_request_like_one_before_is_read_the_same() -> None:
    wants = MetricsReader(Interned(), lambda _: frozenset({"load"}))
    bodies = [gauge(points=3, time=NOW + at, value=at, unit="W") for at in range(5)]
    for at, body in enumerate(bodies):
        reading = wants.read(body)
        assert reading.samples.value == [at + 0.0, at + 1.0, at + 2.0]
        assert reading.samples.time == [NOW + at] * 3
        assert (reading.verdict.taken, reading.times) == (3, (NOW + at, NOW + at))
        assert [point.value for point in reading.windows[0][1]] == reading.samples.value
    assert wants.read(gauge(points=3, time=NOW, value=math.nan, unit="W")).verdict.absent == 3
    assert wants.read(gauge(points=3, time=10**12, unit="W")).verdict.refused == 3
    assert len(wants.read(gauge(points=3, unit="V")).units) == 1
    assert len(wants.read(bodies[0]).units) == 1


TEXTS = st.text(max_size=8) | st.sampled_from(["node", "le", "fedsight.round", "a", "b"])
SAID = st.one_of(TEXTS, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.binary())
TIMES = st.sampled_from([0, NOW, NOW + 1, 10**12, 2**64 - 1])
NUMBERS = st.floats() | st.integers(-(2**63), 2**63 - 1) | st.none()


@st.composite
def requests(draw: st.DrawFn) -> Any:
    """Gauges and sums of every shape, most of them usual."""
    request, found = metrics(draw(st.dictionaries(TEXTS, SAID, max_size=3)))
    for at in range(draw(st.integers(0, 3))):
        metric = found.add(name=draw(st.sampled_from(["x", "y.z", "9", f"m{at}"])))
        data = metric.gauge if draw(st.booleans()) else metric.sum
        for _ in range(draw(st.integers(0, 4))):
            point = data.data_points.add(time_unix_nano=draw(TIMES), flags=draw(st.integers(0, 3)))
            point.start_time_unix_nano = draw(st.sampled_from([0, NOW]))
            value = draw(NUMBERS)
            if isinstance(value, int):
                point.as_int = value
            elif value is not None:
                point.as_double = value
            put(point.attributes, draw(st.dictionaries(TEXTS, SAID, max_size=3)))
            if draw(st.booleans()) and draw(st.booleans()):
                point.exemplars.add(as_double=1.0, time_unix_nano=NOW)
    return request


@settings(max_examples=120, deadline=None)
@given(requests(), requests())
def test_by_layout_and_field_by_field_are_the_same(first: Any, second: Any) -> None:
    by_layout, by_field = reader(), reader()
    for turn, request in enumerate((first, second, first, first, second, first)):
        body = request.SerializeToString().replace(LITTLE_NOW, (NOW + turn).to_bytes(8, "little"))
        quick, slow = by_layout.read(body), by_field.read(body, by_layout=False)
        assert quick.samples == slow.samples
        assert quick.verdict == slow.verdict
        Codec().encode(Batch(quick.samples))


@settings(max_examples=120, deadline=None)
@given(requests(), st.data())
def test_bytes_that_were_changed_are_samples_or_malformed(
    request: Any, data: st.DataObject
) -> None:
    body = bytearray(request.SerializeToString())
    for _ in range(data.draw(st.integers(1, 4))):
        if body:
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        reading = read(bytes(body))
    except MalformedError:
        return
    Codec().encode(Batch(reading.samples))
    assert len(reading.samples) >= reading.verdict.taken >= 0
