from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedsight.collector.influx.address import InfluxAddress
from fedsight.collector.influx.client import InfluxError
from fedsight.collector.influx.lines import labels_of, name_of, place_of
from fedsight.collector.store.contract import Matcher, Points, Selection
from fedsight.collector.store.schema import FILE_NAME
from fedsight.door.refusal import RefusedError
from fedsight.signals import Event, Sample, Series, batch
from tests.collector.influx.forwarded import Forwarded
from tests.collector.influx.influxd import Influxd

START = 1_795_341_120 * 10**9


def sample(at: int, value: float, round_: int | None = None, name: str = "load") -> Sample:
    return Sample(START + at, name, value, round_, {"run": "r-1"})


def everything(store: Forwarded) -> list[tuple[str, int, int, float]]:
    """Name, time, round and value of all samples."""
    found: list[Points] = store.ask(
        lambda samples: list(samples.points(Selection((), 0, 2**62), 10_000))
    )
    return [
        (each.series.name, time - START, round_, value)
        for each in found
        if each.round is not None
        for time, round_, value in zip(
            each.time.tolist(), each.round.tolist(), each.value.tolist(), strict=True
        )
    ]


@pytest.fixture
def store(tmp_path: Path, influxd: Influxd) -> Iterator[Forwarded]:
    opened = Forwarded(tmp_path, influxd.address, waits=True)
    yield opened
    opened.close()


def forward(store: Forwarded) -> None:
    while store.forwarding.forward():
        pass


def points_of(store: Forwarded) -> int:
    """How many points InfluxDB has."""
    tables = store.influx.ask('SELECT count("round"::field) FROM "samples"')
    return int(tables[0].rows[0][1]) if tables else 0


def test_samples_that_share_labels_time_and_round_share_a_point(store: Forwarded) -> None:
    store.send([sample(1, 1.5, 3), sample(1, 2.5, 3, "fl_accuracy"), sample(2, 3.5, 4)])
    forward(store)
    assert points_of(store) == 2
    assert everything(store) == [
        ("fl_accuracy", 1, 3, 2.5),
        ("load", 1, 3, 1.5),
        ("load", 2, 4, 3.5),
    ]


def test_two_rounds_of_one_time_stay_two_samples_whenever_they_come(store: Forwarded) -> None:
    store.send([sample(1, 1.0, 1), sample(1, 2.0, 2), sample(1, 3.0)])
    forward(store)
    store.send([sample(1, 4.0, 4), sample(1, 5.0, 1)])
    forward(store)
    expected = [("load", 1, -1, 3.0), ("load", 1, 1, 5.0), ("load", 1, 2, 2.0), ("load", 1, 4, 4.0)]
    assert everything(store) == expected
    assert points_of(store) == 4


def test_what_is_written_again_replaces_itself(store: Forwarded) -> None:
    """As after a kill between InfluxDB's answer and the hot log's commit."""
    store.send([sample(1, 1.0, 1), sample(1, 2.0, 2), sample(2, 1.0, 1)])
    store.send([sample(1, 7.0, 3), sample(1, 8.0, 3, "fl_accuracy")])
    held = store.store.rows("SELECT * FROM sample_batches")
    forward(store)
    before, points = everything(store), points_of(store)
    marks = ", ".join("?" * len(held[0]))
    for once_more in (held, held[1:], held[:1]):
        store.forwarding.forget()
        store.store.ingest.change(
            lambda db, rows=once_more: db.executemany(
                f"INSERT INTO sample_batches VALUES ({marks})", rows
            )
        ).result(10)
        forward(store)
        assert everything(store) == before
        assert points_of(store) == points


def test_a_large_batch_goes_in_pieces(store: Forwarded) -> None:
    store.send([sample(n, float(n), n) for n in range(25_000)])
    forward(store)
    assert store.forwarding.counts.writes == 3
    found = store.ask(lambda samples: samples.windows(Selection((), 0, 2**62), 2**62, "count"))
    assert found[0].value.tolist() == [25_000.0]


def test_influxdb_may_be_gone_for_a_while(tmp_path: Path) -> None:
    server = Influxd(tmp_path / "influxd")
    try:
        store = Forwarded(tmp_path / "data", server.address, waits=False, most=30)
        store.send([sample(1, 1.0)])
        server.stop()
        for at in range(2, 6):
            store.store.ingest.keep(batch([sample(at, float(at))])).result(10)
        until(lambda: store.forwarding.error is not None)
        assert "cannot be reached" in str(store.forwarding.error)
        with pytest.raises(RefusedError, match="samples cannot be read") as refused:
            everything(store)
        assert refused.value.status == 503
        server.start()
        until(lambda: store.forwarding.error is None)
        store.settled()
        assert [row[1] for row in everything(store)] == [1, 2, 3, 4, 5]
        kinds = [kind for (kind,) in store.store.rows("SELECT kind FROM events ORDER BY id")]
        assert kinds == ["INFLUXDB_AWAY", "INFLUXDB_REACHED"]
        store.close()
    finally:
        server.stop()


def test_what_influxdb_will_never_take_is_told_and_holds_nothing_up(store: Forwarded) -> None:
    database = store.address.database
    store.influx.ask(
        f'CREATE RETENTION POLICY "short" ON "{database}" DURATION 1h REPLICATION 1 DEFAULT'
    )
    now = time.time_ns()
    store.send([sample(0, 1.0), Sample(now, "load", 2.0, None, {"run": "r-1"})])
    forward(store)
    assert [(time_, value) for _, time_, _, value in everything(store)] == [(now - START, 2.0)]
    store.store.ingest.keep(batch()).result(10)
    [(kind, details)] = store.store.rows("SELECT kind, details FROM events")
    assert kind == "INFLUXDB_REFUSED"
    assert "retention policy" in details


def test_a_full_buffer_refuses_samples_and_loses_none(tmp_path: Path) -> None:
    server = Influxd(tmp_path / "influxd")
    try:
        store = Forwarded(tmp_path / "data", server.address, waits=False, most=3)
        server.stop()
        store.store.ingest.keep(batch([sample(at, 1.0) for at in range(4)])).result(10)
        until(lambda: store.forwarding.waiting == 4)
        with pytest.raises(RefusedError, match="4 samples wait for InfluxDB") as refused:
            store.store.ingest.keep(batch([sample(9, 1.0)])).result(10)
        assert (refused.value.status, refused.value.code) == (503, "store_behind")
        store.store.ingest.keep(batch(events=[Event(START, "x", "STILL_TAKEN")])).result(10)
        server.start()
        until(lambda: store.forwarding.error is None)
        store.send([sample(9, 1.0)])
        assert [row[1] for row in everything(store)] == [0, 1, 2, 3, 9]
        store.close()
    finally:
        server.stop()


def test_a_hot_log_that_cannot_be_read_for_once_is_read_later(
    tmp_path: Path, influxd: Influxd
) -> None:
    store = Forwarded(tmp_path, influxd.address, waits=False)
    store.send([sample(1, 1.0)])
    file = tmp_path / FILE_NAME
    file.rename(tmp_path / "away")
    until(lambda: store.forwarding.error is not None)
    until(lambda: store.forwarding.counts.failures > 1)
    (tmp_path / "away").rename(file)
    store.send([sample(2, 1.0)])
    assert [row[1] for row in everything(store)] == [1, 2]
    store.close()


def secretive(server: Influxd) -> InfluxAddress:
    return replace(server.address, user="somebody", password="hunter2")


def until(holds: object, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    assert callable(holds)
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


NAMES = st.from_regex(r"\A[A-Za-z_][A-Za-z0-9_.:\-]{0,12}\Z") | st.sampled_from(
    ["time", "round", "_field", "_measurement", "load", "run"]
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@settings(max_examples=300)
@given(name=NAMES, labels=st.dictionaries(NAMES, TEXTS, max_size=8))
def test_every_series_comes_back_from_its_tags(name: str, labels: dict[str, str]) -> None:
    place = place_of(Series(name, labels))
    assert name_of(place.field) == name
    assert labels_of(dict(place.tags)) == labels


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=NAMES,
    labels=st.dictionaries(NAMES, TEXTS, max_size=8),
    value=st.floats(allow_nan=False, allow_infinity=False),
    at=st.integers(0, 10**9),
)
def test_any_labels_and_values_survive_the_line_protocol(
    store: Forwarded, name: str, labels: dict[str, str], value: float, at: int
) -> None:
    store.send([Sample(START + at, name, value, 1, labels)])
    forward(store)
    matchers = tuple(Matcher(key, "=", text) for key, text in labels.items())
    which = Selection((Matcher("__name__", "=", name), *matchers), START + at, START + at + 1)
    found = store.ask(lambda samples: list(samples.points(which, 10)))
    [mine] = [each for each in found if each.series.labels == labels]
    assert np.array_equal(mine.value, [value])
    pushed = store.ask(lambda samples: samples.windows(which, 2**62, "last"))
    [mine] = [each for each in pushed if each.series.labels == labels]
    assert np.array_equal(mine.value, [value])


def test_a_wrong_password_is_said_without_the_password(tmp_path: Path) -> None:
    server = Influxd(tmp_path / "influxd", auth=True)
    try:
        store = None
        with pytest.raises(InfluxError) as refused:
            store = Forwarded(tmp_path / "data", secretive(server), waits=True)
        assert store is None
        assert "hunter2" not in str(refused.value)
        assert "hunter2" not in repr(secretive(server))
    finally:
        server.stop()
