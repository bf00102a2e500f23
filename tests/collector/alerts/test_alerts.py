"""The service: findings from threads, in order; what a crash and a full queue leave."""

from __future__ import annotations

import asyncio
import math
import threading

import numpy as np

from fedsight.collector.alerts import alerts as module
from fedsight.collector.alerts import table
from fedsight.collector.alerts.evaluating import Evaluating
from fedsight.collector.alerts.finding import KeptFindings
from fedsight.collector.alerts.options import AlertOptions
from fedsight.collector.alerts.silences import LabelMatcher, NewSilence
from fedsight.collector.alerts.threshold import ThresholdRule
from fedsight.collector.store.contract import Points
from fedsight.door.times import now_ns, rfc3339
from fedsight.signals import Sample, Series, batch
from tests.collector.alerts.findings import SECOND, START, right, wrong
from tests.collector.alerts.running_alerts import alerting, run, until
from tests.collector.open_store import Store


def firing(store: Store) -> int:
    return int(store.ask(table.counted, "firing"))


def test_findings_of_many_threads_are_taken_in(store: Store) -> None:
    async def work() -> None:
        async with alerting(store, AlertOptions()) as parts:
            threads = [
                threading.Thread(
                    target=lambda n=n: [
                        parts.alerts.report([wrong(at, f"k{n}")]) for at in range(20)
                    ]
                )
                for n in range(8)
            ]
            for thread in threads:
                thread.start()
            await until(lambda: firing(store) == 8)
            for thread in threads:
                thread.join()
            await until(lambda: store.rows("SELECT sum(count) FROM alerts") == [(160,)])
            parts.alerts.report([right(30, f"k{n}") for n in range(8)])
            await until(lambda: firing(store) == 0)
            assert (parts.alerts.fired, parts.alerts.resolved) == (8, 8)
            assert parts.error is None

    run(work)


def test_that_all_is_well_costs_nothing(store: Store) -> None:
    async def work() -> None:
        async with alerting(store, AlertOptions()) as parts:
            before = store.commits
            for at in range(1000):
                parts.alerts.report([right(at, f"k{at}")])
            await asyncio.sleep(0.05)
            assert store.commits <= before + 1  # what the webhooks forget at the start

    run(work)


def test_an_alert_that_fired_before_a_restart_is_resolved_after_it(store: Store) -> None:
    async def before() -> None:
        async with alerting(store, AlertOptions()) as parts:
            parts.alerts.report([wrong(0)])
            await until(lambda: firing(store) == 1)

    async def after() -> None:
        async with alerting(store, AlertOptions()) as parts:
            assert firing(store) == 1
            parts.alerts.report([right(1)])
            await until(lambda: firing(store) == 0)

    run(before)
    store.restart()
    run(after)


def test_what_was_found_right_before_a_stop_is_written(store: Store) -> None:
    async def work() -> None:
        async with alerting(store, AlertOptions()) as parts:
            await asyncio.sleep(0.05)
            parts.alerts.report([wrong(0)])
        assert store.rows("SELECT state, count FROM alerts") == [("firing", 1)]

    run(work)


def test_a_figure_beyond_all_numbers_stops_no_rule() -> None:
    rule = ThresholdRule("deep", "queue_depth", aggregation="sum", above=10.0)
    found = [
        Points(Series("queue_depth", {"job": job}), np.array([1]), np.array([value]))
        for job, value in (("a", math.inf), ("b", 12.0))
    ]

    async def search(_: object) -> list[Points]:
        return found

    async def work() -> None:
        kept = KeptFindings()
        await Evaluating([rule], 1.0, search, kept).evaluate(rule, START)
        assert [one.labels for one in kept.findings] == [{"job": "b"}]

    run(work)


def test_too_many_findings_at_once_are_dropped_and_told(store: Store) -> None:
    async def work() -> None:
        async with alerting(store, AlertOptions()) as parts:
            parts.alerts.report([wrong(n, "one") for n in range(module.MOST_WAITING + 5)])
            await until(lambda: firing(store) == 1)
            assert parts.alerts.dropped == 5
            assert parts.error == "5 findings were dropped, too many at once"

    run(work)


def test_a_silence_that_ends_lets_its_alert_through_at_once(store: Store) -> None:
    async def work() -> None:
        async with alerting(store, AlertOptions()) as parts:
            now = now_ns()
            wanted = NewSilence([LabelMatcher("run", "r")], rfc3339(now + 3600 * SECOND))
            silence = await parts.alerts.silence(wanted)
            parts.alerts.report([wrong(0, run="r")])
            await until(lambda: firing(store) == 1)
            shown = await parts.alerts.told(store.ask(table.by_id, 1))
            assert shown.silence == silence.id
            assert not store.ask(table.by_id, 1).notified
            await parts.alerts.unsilence(silence.id)
            assert store.ask(table.by_id, 1).notified

    run(work)


def gauge(store: Store, value: float, seconds_ago: float = 1.0, **labels: str) -> None:
    time = now_ns() - int(seconds_ago * SECOND)
    store.ingest.keep(batch([Sample(time, "queue_depth", value, labels=labels)])).result(10)


def test_a_rule_of_ones_own_fires_and_is_resolved(store: Store) -> None:
    rule = ThresholdRule("deep", "queue_depth", {"job": "a"}, above=10.0, severity="critical")
    gauge(store, 11.0, job="a", node="n1")
    gauge(store, 5.0, job="a", node="n2")
    gauge(store, 99.0, job="b")

    async def work() -> None:
        async with alerting(store, AlertOptions(rules=(rule,), rule_seconds=0.05)) as parts:
            await until(lambda: firing(store) == 1)
            found, _ = store.ask(table.page, table.AlertFilter())
            assert [(one.type, one.node, one.severity) for one in found] == [
                ("deep", "n1", "critical")
            ]
            assert (found[0].current_value, found[0].threshold) == (11.0, 10.0)
            assert found[0].message == "latest queue_depth (job a, node n1) is 11, above 10"
            gauge(store, 9.0, seconds_ago=0.0, job="a", node="n1")
            await until(lambda: firing(store) == 0)
            assert parts.error is None

    run(work)


def test_a_rule_aggregates_over_its_window(store: Store) -> None:
    rule = ThresholdRule("slow", "queue_depth", aggregation="mean", window_seconds=60, below=4.0)
    for value, ago in ((100.0, 61.0), (2.0, 30.0), (3.0, 20.0)):
        gauge(store, value, ago)

    async def work() -> None:
        async with alerting(store, AlertOptions(rules=(rule,), rule_seconds=0.05)):
            await until(lambda: firing(store) == 1)
            assert store.ask(table.by_id, 1).current_value == 2.5

    run(work)


def test_what_is_not_measured_is_neither_right_nor_wrong(store: Store) -> None:
    rule = ThresholdRule("none", "queue_depth", window_seconds=10, below=1.0)
    gauge(store, 0.5, seconds_ago=60)

    async def work() -> None:
        async with alerting(store, AlertOptions(rules=(rule,), rule_seconds=0.02)) as parts:
            await asyncio.sleep(0.2)
            assert store.rows("SELECT count(*) FROM alerts") == [(0,)]
            assert parts.error is None

    run(work)


def test_a_rule_over_too_many_series_is_told_and_stops_no_other(store: Store) -> None:
    samples = [Sample(now_ns(), "queue_depth", 5.0, labels={"job": f"j{n}"}) for n in range(1001)]
    samples.append(Sample(now_ns(), "other", 5.0))
    store.ingest.keep(batch(samples)).result(10)
    rules = (ThresholdRule("wide", "queue_depth", above=1), ThresholdRule("one", "other", above=1))

    async def work() -> None:
        async with alerting(store, AlertOptions(rules=rules, rule_seconds=0.05)) as parts:
            await until(lambda: firing(store) == 1)
            assert parts.error == "rule wide: it is about 1001 series, at most 1000: name labels"

    run(work)
