"""Canonical JSON is what RFC 8785's own library writes, byte for byte."""

from __future__ import annotations

import random
import struct
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsight.policy import Party, Request
from fedsight.policy.audit import canonical

texts = (
    st.text(st.characters(exclude_categories=()), max_size=6)
    | st.text(max_size=6)
    | st.sampled_from(["1e5", ":1e5,", ",12.0,", "[1e9", '\x00\x1f\x7f\u2028"\\/', "😀", "\ue000"])
)
floats = (
    st.floats()
    | st.floats(-1e-4, 1e-4)
    | st.floats(-1e18, 1e18)
    | st.integers(-50, 50).map(lambda exponent: 10.0**exponent)
    | st.integers(-(2**54), 2**54).map(float)
)
scalars = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | floats | texts
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(texts | st.integers(), inner, max_size=5)
        | st.tuples(inner, inner)
        | st.frozensets(scalars, max_size=4)
        | st.builds(Party, texts, texts, st.dictionaries(texts, inner, max_size=3))
    ),
    max_leaves=12,
)


@settings(max_examples=400, deadline=None)
@given(values)
def test_bytes_are_those_of_rfc_8785(value: Any) -> None:
    plain = canonical.plain(value)
    written = canonical.dumps(plain)
    assert written == rfc8785.dumps(plain)
    assert canonical.dumps(msgspec.json.decode(written)) == written


def test_numbers_are_written_as_rfc_8785_wants_them() -> None:
    rng = random.Random(0)
    for _ in range(5000):
        (bits,) = struct.unpack("d", rng.randbytes(8))
        for value in (bits, rng.uniform(-1, 1) * 10 ** rng.uniform(-30, 30)):
            if value == value and abs(value) != float("inf"):
                for json in (value, [value], [0, value], {"a": value}):
                    assert canonical.dumps(json) == rfc8785.dumps(json)


def test_a_whole_float_is_written_and_kept_as_the_whole_number() -> None:
    kept = canonical.plain({"trust": 1.0, "norm": -0.0, "ratio": 0.5})
    assert kept == {"trust": 1, "norm": 0, "ratio": 0.5}
    assert [type(one) for one in kept.values()] == [int, int, float]
    assert canonical.dumps(kept) == rfc8785.dumps({"trust": 1.0, "norm": -0.0, "ratio": 0.5})


@pytest.mark.parametrize("value", [2**53, [-(2**53)], {"a": 10**17}, {"a": [0, 2**60]}])
def test_a_number_that_has_no_canonical_form_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="safe integer"):
        canonical.dumps(value)


def test_keys_sort_as_utf_16() -> None:
    assert canonical.dumps({"\ue000": 1, "😀": 2}) == '{"😀":2,"\ue000":1}'.encode()


def test_a_request_is_kept_whole() -> None:
    asked = Request(Party("Client", "a", {"capabilities": ("x",)}), "train", 2**60)
    kept = canonical.plain(asked)
    assert list(kept) == ["principal", "action", "time", "resource", "context", "run", "round"]
    assert kept["time"] == {"$int": str(2**60)}
    assert kept["principal"]["attributes"] == {"capabilities": ["x"]}
