from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsight.collector.querying.moments import (
    SECOND,
    UNITS,
    duration,
    fitting_step,
    moment,
    written,
)
from fedsight.door.refusal import BadFieldError

NOW = 1_795_341_120 * SECOND


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("15s", 15), ("1h30m", 5400), ("1d", 86_400), ("60", 60), ("0.5", 0.5), ("250ms", 0.25)],
)
def test_a_duration(text: str, seconds: float) -> None:
    assert duration("step", text) == int(seconds * SECOND)


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "-1s", "1 h", "1h ", "h", "1.5h", "nan", "999999y"]
)
def test_what_is_no_duration_names_the_parameter(text: str) -> None:
    with pytest.raises(BadFieldError) as caught:
        duration("step", text)
    assert caught.value.field == "step"


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("now", NOW),
        ("1h", NOW - 3600 * SECOND),
        ("now-1h", NOW - 3600 * SECOND),
        ("-1h30m", NOW - 5400 * SECOND),
        ("1795341120", NOW),
        ("1795341120.000000001", NOW + 1),
        ("2026-11-22T09:52:00Z", NOW),
        ("2026-11-22T10:52:00+01:00", NOW),
    ],
)
def test_a_moment(text: str, time: int) -> None:
    assert moment("from", text, NOW) == time


@pytest.mark.parametrize("text", ["2026-11-22", "yesterday", "100y", "9999999999999", "2026-13-01"])
def test_what_is_no_moment_names_the_parameter(text: str) -> None:
    with pytest.raises(BadFieldError) as caught:
        moment("from", text, NOW)
    assert caught.value.field == "from"


@settings(deadline=None)
@given(st.text(max_size=40) | st.from_regex(r"[0-9smhdwyTZ:.+\-]{1,24}", fullmatch=True))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    for reads in (lambda: moment("from", text, NOW), lambda: duration("step", text)):
        with suppress(BadFieldError):
            assert 0 <= reads() <= 2**63


@settings(deadline=None)
@given(st.integers(1, 200 * UNITS["y"]), st.integers(3, 20_000))
def test_the_step_that_is_proposed_fits(length: int, most: int) -> None:
    step = fitting_step(length, most)
    assert length // step + 2 <= most + (step % UNITS["y"] == 0)
    assert duration("step", written(step)) == step
