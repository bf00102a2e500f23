"""One test suite for every store of samples.

A store's test module subclasses `SampleSearchSuite` and gives a fixture `samples_store` with a
`SamplesStore` that is empty. Every expectation is small enough to check by hand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
import pytest

from fedsight.collector.store.contract import (
    Aggregation,
    Matcher,
    MatchOp,
    Points,
    SampleSearch,
    Selection,
)
from fedsight.door.refusal import BadFieldError
from fedsight.signals import Sample, Series

SECOND = 10**9
MINUTE = 60 * SECOND
#: A whole hour, so that windows of up to an hour begin here.
START = 1_795_341_600 * SECOND
END = START + 3600 * SECOND


class SamplesStore(Protocol):
    """A store under test."""

    def send(self, samples: Sequence[Sample]) -> None:
        """Take samples in, as one arrival; they are there when this returns."""
        ...

    def ask(self, question: Callable[[SampleSearch], Any]) -> Any:
        """Ask over one snapshot."""
        ...


def every(*matchers: tuple[str, MatchOp, str], start: int = 0, end: int = 2**62) -> Selection:
    """The selection of some matchers, at any time unless told otherwise."""
    return Selection(tuple(Matcher(*matcher) for matcher in matchers), start, end)


def named(name: str, start: int = 0, end: int = 2**62) -> Selection:
    """The series of one name."""
    return every(("__name__", "=", name), start=start, end=end)


def at(second: float, value: float, round_: int | None = None, **labels: str) -> Sample:
    """A sample of `load`."""
    return Sample(START + round(second * SECOND), "load", value, round_, labels)


def rows(found: Points) -> list[tuple[float, float]]:
    """Seconds since START and value of each point."""
    seconds = ((found.time - START) / SECOND).tolist()
    return list(zip(seconds, found.value.tolist(), strict=True))


def windows(
    store: SamplesStore, step: int, aggregation: Aggregation, which: Selection | None = None
) -> list[list[tuple[float, float]]]:
    """The windows of each series of `load`."""
    selection = named("load") if which is None else which
    found = store.ask(lambda samples: samples.windows(selection, step, aggregation))
    return [rows(each) for each in found]


def points(store: SamplesStore, selection: Selection, limit: int = 1000) -> list[Points]:
    """The points of a selection."""
    found: list[Points] = store.ask(lambda samples: list(samples.points(selection, limit)))
    return found


class SampleSearchSuite:
    """What `SampleSearch` promises."""

    def test_a_store_without_samples_answers_with_nothing(self, samples_store: SamplesStore):
        assert samples_store.ask(lambda samples: samples.series(every(), 10)) == []
        assert points(samples_store, every()) == []
        assert windows(samples_store, MINUTE, "mean") == []

    def test_points_come_in_order_of_time_with_their_rounds(self, samples_store: SamplesStore):
        samples_store.send([at(2, 20.0, 7), at(1, 10.0), at(3, 30.0, 0)])
        (found,) = points(samples_store, named("load"))
        assert rows(found) == [(1, 10.0), (2, 20.0), (3, 30.0)]
        assert found.round is not None
        assert found.round.tolist() == [-1, 7, 0]
        assert found.time.dtype == np.int64
        assert found.round.dtype == np.int32

    def test_late_samples_take_their_place(self, samples_store: SamplesStore):
        for second in (5, 1, 9, 3):
            samples_store.send([at(second, float(second))])
        (found,) = points(samples_store, named("load"))
        assert rows(found) == [(1, 1.0), (3, 3.0), (5, 5.0), (9, 9.0)]

    def test_of_two_with_the_same_time_and_round_the_later_arrival_counts(
        self, samples_store: SamplesStore
    ):
        samples_store.send([at(1, 10.0, 1), at(1, 11.0, 2), at(1, 12.0)])
        samples_store.send([at(1, 20.0, 1), at(1, 21.0, 1), at(1, 22.0)])
        (found,) = points(samples_store, named("load"))
        assert found.round is not None
        told = sorted(zip(found.round.tolist(), found.value.tolist(), strict=True))
        assert told == [(-1, 22.0), (1, 21.0), (2, 11.0)]
        assert windows(samples_store, MINUTE, "count") == [[(0, 3.0)]]

    def test_ranges_are_half_open(self, samples_store: SamplesStore):
        samples_store.send([at(second, float(second)) for second in range(5)])
        which = named("load", START + SECOND, START + 3 * SECOND)
        (found,) = points(samples_store, which)
        assert rows(found) == [(1, 1.0), (2, 2.0)]
        assert windows(samples_store, MINUTE, "sum", which) == [[(0, 3.0)]]
        assert points(samples_store, named("load", END, END + 1)) == []

    def test_each_series_is_in_one_piece_and_the_limit_counts_all(
        self, samples_store: SamplesStore
    ):
        for second in range(3):
            samples_store.send([at(second, 1.0, node=node) for node in ("b", "a")])
        found = points(samples_store, named("load"), 4)
        assert [each.series.labels["node"] for each in found] == ["a", "b"]
        assert [len(each.time) for each in found] == [3, 1]

    def test_series_are_told_by_name_and_then_labels(self, samples_store: SamplesStore):
        samples_store.send([at(0, 1.0, node="b"), at(0, 1.0, node="a"), at(0, 1.0)])
        samples_store.send([Sample(START, "heat", 1.0)])
        found = samples_store.ask(lambda samples: samples.series(every(), 10))
        names = [each.name for each in found]
        assert names == ["heat", "load", "load", "load"]
        assert {each.labels.get("node") for each in found[1:]} == {None, "a", "b"}
        assert len(samples_store.ask(lambda samples: samples.series(every(), 2))) == 2

    def test_a_series_without_a_sample_in_the_range_is_not_told(self, samples_store: SamplesStore):
        samples_store.send([at(0, 1.0, node="a"), at(100, 1.0, node="b")])
        which = named("load", START + 50 * SECOND, END)
        found = samples_store.ask(lambda samples: samples.series(which, 10))
        assert found == [Series("load", {"node": "b"})]

    @pytest.mark.parametrize(
        ("matcher", "nodes"),
        [
            (("node", "=", "a1"), ["a1"]),
            (("node", "!=", "a1"), [None, "a2", "b1"]),
            (("node", "=~", "a."), ["a1", "a2"]),
            (("node", "=~", "a"), []),
            (("node", "!~", "a.*"), [None, "b1"]),
            (("node", "=", ""), [None]),
            (("node", "!=", ""), ["a1", "a2", "b1"]),
            (("node", "=~", "|b1"), [None, "b1"]),
            (("node", "=~", ".+"), ["a1", "a2", "b1"]),
            (("unheard", "=", ""), [None, "a1", "a2", "b1"]),
            (("unheard", "=", "x"), []),
            (("__name__", "=~", "lo.*"), [None, "a1", "a2", "b1"]),
            (("__name__", "!=", "load"), []),
        ],
    )
    def test_matchers(
        self,
        samples_store: SamplesStore,
        matcher: tuple[str, MatchOp, str],
        nodes: list[str | None],
    ):
        samples_store.send([at(0, 1.0), *(at(0, 1.0, node=n) for n in ("a1", "a2", "b1"))])
        found = samples_store.ask(lambda samples: samples.series(every(matcher), 10))
        assert {each.labels.get("node") for each in found} == set(nodes)

    def test_every_matcher_must_be_met(self, samples_store: SamplesStore):
        samples_store.send([at(0, 1.0, run=r, node=n) for r in ("r1", "r2") for n in ("a", "b")])
        which = every(("run", "=", "r1"), ("node", "=~", "b|c"))
        found = samples_store.ask(lambda samples: samples.series(which, 10))
        assert found == [Series("load", {"run": "r1", "node": "b"})]

    @pytest.mark.parametrize("pattern", ["a(", "*", r"(?=a)", r"(a)\1", "["])
    def test_what_is_no_pattern_is_refused(self, samples_store: SamplesStore, pattern: str):
        samples_store.send([at(0, 1.0, node="a")])
        with pytest.raises(BadFieldError):
            samples_store.ask(lambda samples: samples.series(every(("node", "=~", pattern)), 1))

    def test_label_values_with_every_kind_of_character(self, samples_store: SamplesStore):
        odd = ["a b", 'quo"te', "back\\slash", "com,ma=", "ümläut", "new\nline", "{}", "'", "a.b"]
        samples_store.send([at(0, 1.0, node=value) for value in odd])
        for value in odd:
            found = points(samples_store, every(("node", "=", value)))
            assert [each.series.labels["node"] for each in found] == [value]
        which = every(("node", "=~", "new.line"))
        assert len(samples_store.ask(lambda samples: samples.series(which, 10))) == 1

    @pytest.mark.parametrize(
        ("aggregation", "told"),
        [
            ("mean", [(0, 3.0), (60, 8.0)]),
            ("min", [(0, 1.0), (60, 8.0)]),
            ("max", [(0, 6.0), (60, 8.0)]),
            ("sum", [(0, 9.0), (60, 8.0)]),
            ("count", [(0, 3.0), (60, 1.0)]),
            ("last", [(0, 2.0), (60, 8.0)]),
            ("p50", [(0, 2.0), (60, 8.0)]),
            ("p95", [(0, 5.6), (60, 8.0)]),
        ],
    )
    def test_aggregations(
        self, samples_store: SamplesStore, aggregation: Aggregation, told: list[tuple[int, float]]
    ):
        samples_store.send([at(59, 2.0), at(0, 1.0), at(30, 6.0), at(60, 8.0)])
        ((*found,),) = windows(samples_store, MINUTE, aggregation)
        assert [second for second, _ in found] == [second for second, _ in told]
        wanted = [value for _, value in told]
        assert [value for _, value in found] == pytest.approx(wanted, rel=1e-12)

    def test_windows_begin_at_multiples_of_the_step_and_empty_ones_are_absent(
        self, samples_store: SamplesStore
    ):
        samples_store.send([at(59.999, 1.0), at(60, 2.0), at(300, 3.0)])
        assert windows(samples_store, MINUTE, "sum") == [[(0, 1.0), (60, 2.0), (300, 3.0)]]
        odd = 7 * SECOND
        ((first, *_),) = windows(samples_store, odd, "sum")
        assert (START + first[0] * SECOND) // SECOND % 7 == 0

    def test_one_window_over_all_time_tells_the_last_of_every_series(
        self, samples_store: SamplesStore
    ):
        samples_store.send([at(9, 1.0, node="a"), at(8, 2.0, node="b")])
        samples_store.send([at(5, 3.0, node="a"), at(8.5, 4.0, node="b")])
        found = samples_store.ask(lambda s: s.windows(named("load"), 2**62, "last"))
        told = {each.series.labels["node"]: each.value.tolist() for each in found}
        assert told == {"a": [1.0], "b": [4.0]}
        assert [each.round for each in found] == [None, None]

    def test_windows_hold_series_apart(self, samples_store: SamplesStore):
        samples_store.send([at(0, 1.0, node="a"), at(1, 5.0, node="b"), at(2, 3.0, node="a")])
        found = samples_store.ask(lambda s: s.windows(named("load"), MINUTE, "sum"))
        told = [(each.series.labels["node"], each.value.tolist()) for each in found]
        assert told == [("a", [4.0]), ("b", [5.0])]

    def test_a_rate_rises_from_the_last_sample_before_its_window(self, samples_store: SamplesStore):
        samples_store.send([at(30, 100.0), at(60, 160.0), at(90, 220.0), at(150, 340.0)])
        # The first window has one sample and none before it: no rate is known.
        assert windows(samples_store, MINUTE, "rate") == [[(60, 2.0), (120, 2.0)]]

    def test_a_counter_that_falls_began_again_at_nothing(self, samples_store: SamplesStore):
        samples_store.send([at(0, 50.0), at(10, 60.0), at(20, 5.0), at(30, 15.0)])
        # 10, then 5 from nothing, then 10: 25 in 30 seconds.
        ((found,),) = windows(samples_store, MINUTE, "rate")
        assert found == (0, pytest.approx(25 / 30))

    def test_a_rate_looks_before_the_selection_but_tells_only_what_is_in_it(
        self, samples_store: SamplesStore
    ):
        samples_store.send([at(30, 100.0), at(90, 220.0), at(150, 400.0)])
        which = named("load", START + MINUTE, START + 2 * MINUTE)
        assert windows(samples_store, MINUTE, "rate", which) == [[(60, 2.0)]]

    def test_a_rate_reaches_no_further_back_than_five_minutes(self, samples_store: SamplesStore):
        samples_store.send([at(0, 0.0), at(361, 60.0), at(671, 680.0)])
        assert windows(samples_store, MINUTE, "rate") == [[(660, 2.0)]]

    def test_times_are_whole_nanoseconds(self, samples_store: SamplesStore):
        exact = [START + 1, START + 2, START + 3]
        samples_store.send([Sample(time, "load", 1.0) for time in exact])
        (found,) = points(samples_store, named("load"))
        assert found.time.tolist() == exact

    def test_the_smallest_and_largest_numbers(self, samples_store: SamplesStore):
        values = [1.7976931348623157e308, -1.7976931348623157e308, 5e-324, -0.0, 0.1]
        samples_store.send([at(second, value) for second, value in enumerate(values)])
        (found,) = points(samples_store, named("load"))
        assert found.value.tolist() == values
        assert math.copysign(1, found.value[3]) == -1

    def test_points_belong_to_the_caller(self, samples_store: SamplesStore):
        samples_store.send([at(0, 1.0)])
        (found,) = points(samples_store, named("load"))
        found.value[0] = 99.0
        (again,) = points(samples_store, named("load"))
        assert again.value.tolist() == [1.0]

    def test_a_step_of_nothing_is_refused(self, samples_store: SamplesStore):
        with pytest.raises(BadFieldError):
            windows(samples_store, 0, "mean")
