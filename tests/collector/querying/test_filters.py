from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsight.collector.querying.filters import filters
from fedsight.collector.store.contract import Matcher
from fedsight.door.refusal import BadFieldError


def test_filters_are_parted_by_commas() -> None:
    assert filters("labels", 'node=a, phase!=train,task=~"x|y",run!~r-.*') == (
        Matcher("node", "=", "a"),
        Matcher("phase", "!=", "train"),
        Matcher("task", "=~", "x|y"),
        Matcher("run", "!~", "r-.*"),
    )


def test_a_value_in_quotes_may_hold_anything() -> None:
    assert filters("labels", r'a="x,\"y\"=1",b=2') == (
        Matcher("a", "=", 'x,"y"=1'),
        Matcher("b", "=", "2"),
    )
    assert filters("labels", "a=") == (Matcher("a", "=", ""),)
    assert filters("labels", "") == ()


@pytest.mark.parametrize("text", ["a", "=b", "1a=b", 'a="b', 'a="b"c', ",", "a=b,,", "a b=c"])
def test_what_is_no_filter_is_refused(text: str) -> None:
    with pytest.raises(BadFieldError) as caught:
        filters("labels", text)
    assert caught.value.field == "labels"


def test_too_many_filters_are_refused() -> None:
    with pytest.raises(BadFieldError, match="at most 32"):
        filters("labels", ",".join(f"a{n}=b" for n in range(33)))


@given(st.text(max_size=60) | st.from_regex(r'[a-c=!~",\\ ]{1,60}', fullmatch=True))
def test_any_text_is_filters_or_refused(text: str) -> None:
    with suppress(BadFieldError):
        filters("labels", text)
