"""Bodies of columns whose arrays are lifted out are read, and refused, as whole ones are."""

from __future__ import annotations

import json
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsight.collector.taking import columns
from fedsight.collector.taking.columns import ColumnReader
from fedsight.collector.taking.lifted import PLACE, lifted
from fedsight.door.refusal import BadFieldError

CELL = st.one_of(
    st.integers(0, 2).map(str),
    st.integers(-(2**65), 2**65).map(str),
    st.floats().map(repr),
    st.sampled_from(
        ["null", "null1", '"]"', '"', "[1]", "[", "{}", "1e3", "1.0", "-0", "01", "1e400", ""]
    ),
)
ARRAY = st.one_of(
    st.lists(st.integers(0, 2).map(str), min_size=2, max_size=2).map(", ".join),
    st.lists(CELL, max_size=3).map(",".join),
).map(lambda cells: f"[{cells}]")
NAME = st.sampled_from(["index", "time", "value", "round", "inde\\u0078", "more", "ïndex"])
LABEL = st.sampled_from(["a", '"index":[0]', "]", "\\", "ü", "}],"])
GAP = st.sampled_from(["", " ", "\n\t", "\v"])
SERIES = LABEL.map(
    lambda label: json.dumps([{"name": "x", "labels": {"of": label}}, {"name": "y"}])
)
NESTED = st.sampled_from(['[{"name": "x", "labels": {}, "index":[0], "time": [1]}]', "[[[", "[]"])
VALUE = st.one_of(ARRAY, ARRAY, ARRAY, st.sampled_from(["null", "0", "{}", '"text"']))


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Columns, mostly whole, in any order, with names that stand twice or not at all."""
    order = draw(st.permutations(["index", "time", "value", "round"]))
    names = [*order, *draw(st.lists(NAME, max_size=2))][draw(st.integers(0, 1)) :]
    gap = draw(GAP)
    parts = [f'"{name}"{gap}:{gap}{draw(VALUE)}' for name in names]
    at = draw(st.sampled_from([0, 0, 1, len(parts)]))
    parts.insert(at, f'"series":{draw(st.one_of(SERIES, NESTED))}')
    body = "{" + f",{gap}".join(parts) + "}"
    cut = draw(st.one_of(st.just(len(body)), st.integers(0, len(body))))
    return body[:cut].encode() + draw(st.sampled_from([b"", b"", b" ", b"\xff"]))


def outcome(body: bytes) -> object:
    try:
        block = ColumnReader().read(body, 1)
    except (BadFieldError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return type(error), str(error), getattr(error, "field", None)
    arrays = (block.index, block.time, block.value, block.round)
    return block.series, [array.tolist() for array in arrays]


@given(bodies())
def test_a_body_comes_to_what_it_comes_to_as_a_whole(body: bytes) -> None:
    found = outcome(body)
    with patch.object(columns, "lifted", lambda whole: (whole, {})):
        assert found == outcome(body)


def test_all_four_arrays_of_a_plain_body_are_lifted_out() -> None:
    body = {"series": [{"name": "x"}], "index": [0], "time": [1], "value": [2.5], "round": [3]}
    for text in (json.dumps(body), msgspec.json.encode(body).decode(), json.dumps(body, indent=1)):
        rest, found = lifted(text.encode())
        assert sorted(found) == ["index", "round", "time", "value"]
        assert rest.count(PLACE) == 4


def test_a_body_without_rounds_needs_no_exact_types() -> None:
    body = b'{"series":[{"name":"x"}],"index":[0,0],"time":[1,2],"value":[2.5,3]}'
    with patch.object(ColumnReader, "_exact", side_effect=AssertionError):
        for text in (body, body.replace(b'}],"i', b'}],"round":null,"i')):
            assert ColumnReader().read(text, 1).round.tolist() == [-1, -1]


def test_the_same_indices_are_checked_against_fewer_series() -> None:
    reader = ColumnReader()
    body = b'{"series":[{"name":"x"},{"name":"y"}],"index":[0,1],"time":[1,2],"value":[2.5,3]}'
    assert reader.read(body, 1).index.tolist() == [0, 1]
    assert reader.read(body, 1).index.tolist() == [0, 1]
    with pytest.raises(BadFieldError):
        reader.read(body.replace(b',{"name":"y"}', b""), 1)


@pytest.mark.parametrize("rounds", ["[null5]", "[null0]", "[null99999999999]", "[5null]"])
def test_digits_at_a_null_are_no_round(rounds: str) -> None:
    body = b'{"series":[{"name":"x"}],"index":[0],"time":[1],"value":[2.5],"round":%s}'
    with pytest.raises(msgspec.DecodeError):
        ColumnReader().read(body % rounds.encode(), 1)
