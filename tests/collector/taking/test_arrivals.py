"""What became of samples, against a plain dictionary."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsight.collector.store.prepare import Record, SampleBlock, checked_record
from fedsight.collector.store.schema import create
from fedsight.collector.taking.arrivals import Arrivals, Taken, beyond
from fedsight.collector.taking.cardinality import Cardinality
from fedsight.collector.taking.series_ids import SeriesIds
from fedsight.door.refusal import RefusedError
from fedsight.signals import Series

NOW = 1000
Rows = list[tuple[int, int, int]]


@pytest.fixture
def ids() -> Iterator[SeriesIds]:
    with_tables = store()
    yield SeriesIds(with_tables, Cardinality(5, 1000))
    with_tables.close()


def store() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    create(connection)
    return connection


def record(rows: Rows) -> Record:
    """Samples (series, time, round) of series of several runs."""
    series = [Series(f"m{n}", {"run": f"r-{n % 2}"}) for n in range(4)]
    index, time, round_ = (np.array(column) for column in zip(*rows, strict=True))
    block = SampleBlock(
        None,
        series,
        index.astype(np.int32),
        time.astype(np.int64),
        np.ones(len(rows)),
        round_.astype(np.int32),
    )
    return checked_record(block, [], [])


def plainly(newest: dict[int, tuple[int, int]], rows: Rows) -> Taken:
    """The same, one by one, against what was known before."""
    late = sum(time < newest.get(series, (-1, -1))[0] for series, time, _ in rows)
    again = sum((time, round_) == newest.get(series) for series, time, round_ in rows)
    for series, time, round_ in rows:
        if time >= newest.get(series, (-1, -1))[0]:
            newest[series] = (time, round_)
    return Taken(len(rows), late, again, sum(time > NOW for _, time, _ in rows))


ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 1010), st.integers(-1, 2)), min_size=1, max_size=12
)


@settings(max_examples=100, deadline=None)
@given(st.lists(ROWS, min_size=1, max_size=5))
def test_late_repeated_and_future_samples_are_counted(requests: list[Rows]) -> None:
    connection = store()
    arrivals = Arrivals(SeriesIds(connection, Cardinality(100, 100)))
    newest: dict[int, tuple[int, int]] = {}
    for rows in requests:
        assert arrivals.noted(record(rows), NOW) == plainly(newest, rows)
    connection.close()


def test_where_the_future_begins() -> None:
    assert beyond(np.array([1, 2, 3]), 2, 1) is None
    assert beyond(np.array([1, 5, 4]), 2, 1) == 1


def test_equal_series_have_one_id_whatever_the_order_of_their_labels(ids: SeriesIds) -> None:
    one = Series("x", {"a": "1", "b": "2"})
    other = Series("x", {"b": "2", "a": "1"})
    first = ids.of([one, other, Series("y")])
    assert first.tolist() == [1, 1, 2]
    assert ids.of([other]).tolist() == [1]
    ids.forget()
    assert ids.of([Series("y"), one]).tolist() == [2, 1]


def test_a_list_that_is_refused_leaves_nothing_and_the_known_go_on(ids: SeriesIds) -> None:
    known = [Series(f"m{n}") for n in range(4)]
    assert ids.of(known).tolist() == [1, 2, 3, 4]
    with pytest.raises(RefusedError, match="in all"):
        ids.of([Series("m1"), Series("new1"), Series("new2")])
    assert ids.of([Series("m1"), Series("new1")]).tolist() == [2, 5]
