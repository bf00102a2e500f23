"""Fields of foreign answers: what is missing or of another kind is absent, never 0."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsight.collector.monitors import foreign
from fedsight.door.times import LATEST

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
SECOND = 1_000_000_000
NOON = 1_764_072_000 * SECOND


@pytest.mark.parametrize(
    "value", [None, True, False, "12", "", [], {}, math.nan, math.inf, 10**400]
)
def test_what_is_no_number_is_absent(value: object) -> None:
    assert foreign.number(value) is None
    assert foreign.whole(value) is None


def test_a_whole_number_is_not_negative_not_broken_and_not_too_large() -> None:
    assert foreign.whole(3) == foreign.whole(3.0) == 3
    assert foreign.whole(0) == 0
    assert foreign.whole(-1) is foreign.whole(1.5) is foreign.whole(2**53 + 2) is None


def test_a_field_is_found_along_its_path() -> None:
    assert foreign.field({"a": {"b": 1}}, "a", "b") == 1
    assert foreign.field({"a": [1]}, "a", "b") is None
    assert foreign.field(None, "a") is None


def test_rows_are_the_objects_of_a_list() -> None:
    assert foreign.rows({"rows": [{"a": 1}, 2, None]}, "rows") == [{"a": 1}]
    assert foreign.rows({"rows": {}}, "rows") is None
    assert foreign.rows([], "rows") is None


def test_text_is_one_printable_line() -> None:
    assert foreign.text(" a\x1b[2J\nb ") == "a[2Jb"
    assert foreign.text("x" * 300) == "x" * 256
    assert foreign.text("\x00") is foreign.text(5) is None


def test_a_name_takes_what_signals_take() -> None:
    assert foreign.name("ROUND_STARTED") == "ROUND_STARTED"
    assert foreign.name("1 bad name!") == "_1_bad_name_"
    assert foreign.name("") is foreign.name(None) is None


def test_times_are_read_in_every_usual_form() -> None:
    assert foreign.moment("2025-11-25T12:00:00Z") == NOON
    assert foreign.moment("2025-11-25T13:00:00.5+01:00") == NOON + SECOND // 2
    for unix in (NOON // SECOND, NOON // 10**6, NOON // 10**3, NOON):
        assert foreign.moment(unix) == NOON
    assert foreign.moment(NOON / SECOND + 0.25) == NOON + SECOND // 4


@pytest.mark.parametrize(
    "value", ["2025-11-25T12:00:00", "yesterday", "", None, 0, -1, True, math.nan, 9e99, 9e18]
)
def test_what_says_no_time_is_absent(value: object) -> None:
    assert foreign.moment(value) is None


def test_details_that_are_too_large_leave_their_size_alone() -> None:
    assert foreign.details({"a": 1}) == {"a": 1}
    assert foreign.details([1]) == {}
    assert foreign.details({"a": "x" * 20_000}) == {"left_out_bytes": 20_008}


@given(JSON)
def test_no_answer_breaks_a_reader(value: object) -> None:
    found = foreign.number(value)
    assert found is None or math.isfinite(found)
    at = foreign.moment(value)
    assert at is None or 0 <= at <= LATEST
    name = foreign.name(value)
    if name is not None:
        msgspec.convert({"time": 0, "name": name, "value": 1.0}, foreign_sample())
    foreign.rows(value, "x")
    foreign.whole(value)
    foreign.text(value)


@given(JSON)
def test_details_can_be_kept(value: object) -> None:
    msgspec.json.encode(foreign.details(value))


def foreign_sample() -> type:
    from fedsight.signals import Sample

    return Sample
