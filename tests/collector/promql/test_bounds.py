from __future__ import annotations

import time

import numpy as np
import pytest

from fedsight.collector.promql.answers import number
from fedsight.collector.promql.errors import PromError
from fedsight.collector.promql.evaluation import evaluated
from fedsight.collector.promql.selecting import Evaluation
from fedsight.collector.promql.syntax import MOST_NESTING, parsed
from fedsight.collector.promql.values import Vector
from fedsight.collector.store.fake_samples import MemorySamples
from fedsight.signals import Sample
from tests.collector.promql.asking import asked

SECOND = 10**9
FEW = MemorySamples(
    [
        Sample(at * SECOND, "x", float(at), labels={"node": node})
        for at in range(60)
        for node in "ab"
    ]
)


def evaluation(**named: float) -> Evaluation:
    return Evaluation(FEW, np.arange(0, 60 * SECOND, SECOND), **named)  # type: ignore[arg-type]


def refusal(query: str, **named: float) -> tuple[int, str]:
    with pytest.raises(PromError) as caught:
        evaluated(evaluation(**named), parsed(query))
    return caught.value.status, str(caught.value)


def test_samples_are_bounded() -> None:
    assert isinstance(evaluated(evaluation(samples_left=120), parsed("x")), Vector)
    status, said = refusal("x", samples_left=119)
    assert status == 422
    assert "use a shorter range" in said


def test_a_selector_that_stands_twice_is_read_once() -> None:
    assert isinstance(evaluated(evaluation(samples_left=120), parsed("x / x")), Vector)


def test_work_in_windows_is_bounded() -> None:
    status, said = refusal("sum_over_time(x[1m])", work_left=3000)
    assert status == 422
    assert "use a longer step" in said


def test_time_is_bounded() -> None:
    assert refusal("x + x", deadline=time.monotonic() - 1)[0] == 503


def test_values_are_bounded() -> None:
    with pytest.raises(PromError, match="values"):
        evaluation().check_cells(100_000)


def test_nesting_is_bounded_whatever_is_quoted() -> None:
    deep = MOST_NESTING + 1
    for query in ("(" * deep, "1" + "+1" * deep, "# \r" + "-" * deep, "x or " * deep):
        with pytest.raises(PromError, match="brackets and operators"):
            parsed(query + "1")
    parsed('x{node="' + "(" * deep + '"}')
    parsed("x # " + "(" * deep)
    with pytest.raises(PromError, match="characters"):
        parsed("x" * 20_000)


def test_of_one_time_the_last_round_counts() -> None:
    twice = MemorySamples(Sample(SECOND, "x", float(round_), round_) for round_ in (1, 2, 3))
    answer = asked(twice, "x", 1)
    assert answer["data"]["result"] == [{"metric": {"__name__": "x"}, "value": [1.0, "3"]}]
    assert asked(twice, "count_over_time(x[5s])", 1)["data"]["result"][0]["value"][1] == "1"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (0.1, "0.1"),
        (-0.0, "-0"),
        (1e300, "1e+300"),
        (float("nan"), "NaN"),
        (float("inf"), "+Inf"),
        (float("-inf"), "-Inf"),
    ],
)
def test_numbers_are_written_as_prometheus_does(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    "query",
    [
        "x @ -1",
        "x @ - 0.5",
        "x @ 1e15",
        "x @ 1e300",
        "x offset 300y",
        "x offset -1000y",
        "rate(x[1000y])",
    ],
)
def test_times_beyond_all_times_are_refused(query: str) -> None:
    with pytest.raises(PromError) as caught:
        evaluated(evaluation(), parsed(query))
    assert caught.value.status == 400
