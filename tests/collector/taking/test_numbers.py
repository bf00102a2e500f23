from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from fedsight.collector.taking.numbers import NumberReader
from fedsight.signals import Nanoseconds, Round

INT64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]

#: Numbers and what is nearly one, as JSON text.
CELL = st.one_of(
    st.integers(-(2**65), 2**65).map(str),
    st.floats().map(repr),
    st.sampled_from(
        ["null", "null1", "true", '"1"', "[1]", "{}", "1e3", "1.0", "-0", "01", "1.", ".5", ""]
    ),
    st.sampled_from(["1e400", "-1", "1e-400", "9223372036854775807", "9223372036854775808", "+1"]),
)
COLUMN = st.one_of(
    st.lists(CELL, max_size=5).map(lambda cells: f"[{','.join(cells)}]".encode()),
    st.lists(st.integers(0, 9).map(str), max_size=5).map(lambda c: f"[{', '.join(c)}]".encode()),
    st.binary(max_size=8),
)


@given(COLUMN)
def test_what_is_taken_is_what_the_exact_decoder_gives(raw: bytes) -> None:
    reader = NumberReader()
    for found, kind in ((reader.whole(raw), list[INT64]), (reader.real(raw), list[float])):
        if found is not None:
            assert found.tolist() == msgspec.json.decode(raw, type=kind)
    rounds = reader.rounds(raw)
    if rounds is not None:
        exact = msgspec.json.decode(raw, type=list[Round | None])
        assert rounds.tolist() == [-1 if each is None else each for each in exact]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_every_double_arrives_as_it_was(values: list[float]) -> None:
    found = NumberReader().real(msgspec.json.encode(values))
    if found is not None:  # 1e308 without a point or exponent is left to the exact decoder
        assert found.tobytes() == np.array(values, np.float64).tobytes()


@pytest.mark.parametrize("time", [-1, 7_258_118_400_000_000_001])
def test_a_time_beyond_what_is_kept_is_left_to_the_exact_decoder(time: int) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b"[%d]" % time, type=list[Nanoseconds])
    assert NumberReader().columns(b"[0]", b"[%d]" % time, b"[1]", b"[1]", 1) is None


def test_columns_fit_together_or_are_left_to_the_exact_decoder() -> None:
    reader = NumberReader()
    found = reader.columns(b"[1,0]", b"[5,6]", b"[1,2.5]", b"[3,null]", 2)
    assert found is not None
    index, time, value, rounds = found
    assert (index.tolist(), time.tolist()) == ([1, 0], [5, 6])
    assert (value.tolist(), rounds.tolist()) == ([1.0, 2.5], [3, -1])
    assert reader.columns(b"[0]", b"[5]", b"[1]", None, 1)[3].tolist() == [-1]  # type: ignore[index]
    assert reader.columns(b"[1]", b"[5]", b"[1]", b"[3]", 1) is None
    assert reader.columns(b"[0]", b"[5,6]", b"[1]", b"[3]", 1) is None
    assert reader.columns(b"[0]", b"[5]", b"[1]", b"[1000000001]", 1) is None
