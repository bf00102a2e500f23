from __future__ import annotations

import pytest

from fedsight.collector.querying.moments import SECOND, UNITS
from fedsight.collector.querying.parameters import PointsQuery
from fedsight.collector.querying.question import (
    Question,
    check_points,
    check_series,
    cursor,
    question,
)
from fedsight.door.refusal import BadFieldError

NOW = 1_795_341_120 * SECOND


def asked(of_run: tuple[int, int] | None = None, **named: object) -> Question:
    return question(PointsQuery(**{"name": "fl_accuracy", **named}), NOW, of_run)  # type: ignore[arg-type]


def refusal(**named: object) -> str:
    with pytest.raises(BadFieldError) as caught:
        asked(**named)
    return f"{caught.value.field}: {caught.value}"


def test_without_a_range_it_is_the_last_hour() -> None:
    assert asked().length == UNITS["h"] + 1
    assert asked().step is None


def test_a_run_is_asked_for_as_long_as_it_was() -> None:
    found = asked(of_run=(10, 20), run="r-1")
    assert (found.selection.start, found.selection.end) == (10, 21)


def test_an_aggregation_without_a_step_gets_one_that_people_think_in() -> None:
    assert asked(aggregation="max").step == 10 * SECOND
    assert asked(aggregation="max", start="7d").step == 30 * UNITS["m"]


def test_a_step_without_an_aggregation_means_the_mean() -> None:
    assert asked(step="1m").aggregation == "mean"


def test_ten_years_in_seconds_are_refused_with_the_step_that_fits() -> None:
    said = refusal(start="10y", step="1s")
    assert said.startswith("step: 10y")
    assert "use step=12h, or a range of at most 3h3m" in said
    assert asked(start="10y", step="12h").step == 12 * UNITS["h"]


def test_too_many_series_or_windows_are_refused() -> None:
    with pytest.raises(BadFieldError, match="more than 20000 series"):
        check_series(asked(step="1m"), 20_001)
    with pytest.raises(BadFieldError, match="use step=") as caught:
        check_series(asked(step="1s"), 10_000)
    step = str(caught.value).partition("step=")[2].partition(",")[0]
    check_series(asked(step=step), 10_000)


def test_an_answer_above_its_limit_is_refused() -> None:
    check_points(asked(step="1m", limit=60), 60)
    with pytest.raises(BadFieldError, match="61 points"):
        check_points(asked(step="1m", limit=60), 61)


def test_something_must_be_asked_for() -> None:
    assert refusal(name=None).startswith("name:")
    assert refusal(name=None, labels="node!=a").startswith("name:")
    assert asked(name=None, labels="node=~a.*").selection.matchers


def test_a_cursor_goes_on_where_the_page_ended() -> None:
    found = asked(cursor=cursor(5, 9), start="1h")
    assert (found.selection.start, found.selection.end) == (5, 9)
    for wrong in ("5", "9-5", "x-y", "5-99999999999999999999", "1-" + "9" * 19):
        assert refusal(cursor=wrong).startswith("cursor:")
    assert "leave out step" in refusal(cursor=cursor(5, 9), step="1m")


def test_contradictions_name_what_is_wrong() -> None:
    assert refusal(start="1h", end="2h").startswith("from:")
    assert refusal(from_round=1, step="1m").startswith("from_round:")
    assert asked(from_round=1).rounds == (1, 1_000_000_000)
