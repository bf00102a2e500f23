"""Commits go in, findings come out, and nobody waits."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from fedsight.collector.alerts.book import Book
from fedsight.collector.alerts.finding import Finding, KeptFindings
from fedsight.collector.alerts.options import AlertOptions
from fedsight.collector.anomalies import watching
from fedsight.collector.anomalies.options import AnomalyOptions
from fedsight.collector.anomalies.remembered import Suspicion, suspicions
from fedsight.collector.anomalies.suspects import Suspects
from fedsight.collector.anomalies.watching import Watching
from fedsight.collector.store.contract import SampleSearch
from fedsight.collector.store.fake_samples import MemorySamples
from fedsight.collector.store.prepare import own
from fedsight.door.times import now_ns
from fedsight.errors import SettingsError, StoreError
from fedsight.signals import Event, Sample, batch
from tests.collector.open_store import Store

SECOND = 10**9
#: Long past, whatever the clock of the machine that tests.
START = 1_704_067_200 * SECOND
LOAD = "host_cpu_utilization_ratio"
LABELS = {"host": "edge-1"}


def load(values: Sequence[float], first: int = 0) -> list[Sample]:
    return [
        Sample(START + (first + at) * 5 * SECOND, LOAD, value, None, LABELS)
        for at, value in enumerate(values)
    ]


def noise(count: int) -> list[float]:
    return np.random.default_rng(0).normal(0.4, 0.05, count).tolist()


def in_a_loop(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """An asynchronous test, in a loop of its own."""

    @functools.wraps(test)
    def run(**given: Any) -> None:
        async def whole() -> None:
            await test(**given)

        asyncio.run(whole())

    return run


class Stage:
    """A watch over a store in memory, and what it found."""

    def __init__(self, past: Sequence[Sample] = (), **given: Any) -> None:
        self.past = MemorySamples(past)
        self.asked = 0
        self.kept = KeptFindings()
        self.watch = Watching(AnomalyOptions(**given), self._search, self.kept)

    async def _search(self, question: Callable[[SampleSearch], Any]) -> Any:
        self.asked += 1
        return question(self.past)

    def commit(self, samples: Sequence[Sample] = (), events: Sequence[Event] = ()) -> None:
        self.watch.tap([own(batch(samples, events))])

    async def settled(self) -> list[Finding]:
        await self.watch.look()
        assert self.watch.error is None
        return self.kept.findings


@in_a_loop
async def test_a_spike_of_a_watched_series_is_found_and_ends() -> None:
    stage, values = Stage(), noise(800)
    values[600] = 5.0
    stage.commit(load(values))
    first, *found = await stage.settled()
    # Whoever watched before may have told an alarm: a series begins with an end.
    assert (first.time, first.active) == (START, False)
    assert [one.active for one in found if one.time >= START + 3000 * SECOND] == [True, False]
    alarm = found[0]
    assert alarm.type == "series_anomaly"
    assert alarm.current_value == 5.0
    assert alarm.labels == {"metric": LOAD, **LABELS}
    assert alarm.expected_range is not None
    assert alarm.evidence["surprise"] > alarm.evidence["threshold"]
    assert alarm.message.startswith(f"{LOAD}: 5 lies far from every value before")


@in_a_loop
async def test_the_past_is_read_from_the_store_and_not_told_again() -> None:
    values = noise(600)
    values[400] = 5.0
    stage = Stage(load(values))
    stage.commit(load([0.4, 9.0], first=600))
    found = await stage.settled()
    assert [(one.current_value, one.active) for one in found] == [(0.4, False), (9.0, True)]
    stage.commit(load([0.4], first=602))
    await stage.settled()
    assert stage.asked == 1


@in_a_loop
async def test_other_series_cost_nothing() -> None:
    stage = Stage()
    stage.commit([Sample(START, "something_else", 1.0), Sample(START, "fl_x_total", 1.0)])
    assert stage.watch.waiting == 0
    assert await stage.settled() == []


@in_a_loop
async def test_rules_look_at_rounds() -> None:
    stage = Stage()
    for number in range(1, 11):
        accuracy, took_part = (0.9, 10) if number <= 5 else (0.6, 5)
        end, of_run = START + number * SECOND, {"run": "r-1"}
        figures = {"fl_accuracy": accuracy, "fl_round_participants": took_part}
        figures["fl_round_selected"] = 10
        stage.commit([Sample(end, name, value, number, of_run) for name, value in figures.items()])
    found = await stage.settled()
    drops = [one for one in found if one.type == "fl_accuracy_drop"]
    assert [(one.round, one.active) for one in drops] == [(10, True)]
    spikes = [one for one in found if one.type == "client_disconnect_spike"]
    assert [one.active for one in spikes] == [False] * 5 + [True] * 5


@in_a_loop
async def test_a_run_that_goes_on_after_a_restart_has_its_accuracies() -> None:
    past = [Sample(START + at, "fl_accuracy", 0.9, at, {"run": "r-1"}) for at in range(1, 10)]
    stage = Stage(past)
    stage.commit([Sample(START + 10, "fl_accuracy", 0.1, 10, {"run": "r-1"})])
    (found,) = [one for one in await stage.settled() if one.active]
    assert found.type == "fl_accuracy_drop"


@in_a_loop
async def test_the_round_trip_to_a_service_is_a_latency() -> None:
    stage, seconds = Stage(), [0.02] * 10 + [0.125, 0.02]
    labels = {"service": "prometheus:site-a"}
    stage.commit(
        [
            Sample(START + at * SECOND, "service_round_trip_seconds", one, None, labels)
            for at, one in enumerate(seconds)
        ]
    )
    found = await stage.settled()
    assert [(one.type, one.active) for one in found] == [
        ("network_latency_spike", True),
        ("network_latency_spike", False),
    ]
    assert found[0].current_value == pytest.approx(125.0)
    assert found[0].baseline == pytest.approx(20.0)
    assert found[0].labels == labels


@in_a_loop
async def test_a_point_far_ahead_of_our_clock_makes_nothing_late() -> None:
    stage = Stage()
    ahead = Sample(now_ns() + 86_400 * SECOND, LOAD, 0.4, None, LABELS)
    stage.commit([*load([0.4]), ahead])
    stage.commit(load([0.5], first=1))
    await stage.settled()
    assert (stage.watch.detecting.points, stage.watch.detecting.ignored) == (2, 0)
    assert stage.watch.dropped == 1


@in_a_loop
async def test_a_series_whose_past_cannot_be_read_is_watched_from_now_on() -> None:
    stage = Stage()

    async def broken(question: Callable[[SampleSearch], Any]) -> Any:
        raise StoreError("the store is away")

    watch = Watching(AnomalyOptions(), broken, stage.kept)
    watch.tap([own(batch(load([0.4, 0.5])))])
    await watch.look()
    assert watch.error == "the store is away"
    assert watch.detecting.points == 2


@in_a_loop
async def test_what_waits_at_the_end_is_looked_at() -> None:
    stage = Stage()
    ingest = Taps()
    stage.watch.start(ingest)  # type: ignore[arg-type]
    await asyncio.sleep(0)
    spiked = noise(800)
    spiked[600] = 5.0
    ingest.taps[0]([own(batch(load(spiked)))])
    await stage.watch.close()
    assert any(one.active and one.current_value == 5.0 for one in stage.kept.findings)


class Taps:
    """Where commits are watched."""

    def __init__(self) -> None:
        self.taps: list[Callable[[Sequence[Any]], None]] = []


def suspected(kind: str, score: float, at: int) -> Event:
    evidence = {"cosine": -0.3, "rounds": at}
    details = {"method": "cosine", "score": score, "threshold": 2.0, "evidence": evidence}
    return Event(START + at * SECOND, "federated", kind, "r-1", at, "client-9", details)


def scored(value: float, at: int, node: str = "client-9") -> Sample:
    labels = {"run": "r-1", "node": node}
    return Sample(START + at * SECOND, "fl_client_update_score", value, at, labels)


@in_a_loop
async def test_suspects_are_found_kept_and_cleared() -> None:
    stage = Stage()
    stage.commit([scored(2.5, 1), scored(0.1, 1, "client-1")])
    stage.commit(events=[suspected("UPDATE_SUSPECTED", 2.5, 1)])
    stage.commit([scored(3.5, 2)])
    stage.commit(events=[suspected("UPDATE_CLEARED", 1.1, 3)])
    stage.commit([scored(1.0, 4)])
    found = await stage.settled()
    assert [(one.current_value, one.active) for one in found] == [
        (2.5, True),
        (3.5, True),
        (1.1, False),
    ]
    assert {one.key for one in found} == {"update_suspected/r-1/client-9"}
    assert found[0].evidence == {"method": "cosine", "cosine": -0.3, "rounds": 1}
    assert (found[0].run, found[0].node, found[0].threshold) == ("r-1", "client-9", 2.0)


@pytest.mark.parametrize("score", [10**400, True, "2.5", None])
def test_a_score_that_is_no_number_is_absent(score: object) -> None:
    event = suspected("UPDATE_SUSPECTED", score, 1)  # type: ignore[arg-type]
    (found,) = Suspects().told(event)
    assert found.current_value is None


def test_suspicions_outlive_a_restart(store: Store) -> None:
    def kept(*events: Event) -> None:
        store.ingest.keep(batch(events=events)).result(10)

    kept(Event(START, "federated", "RUN_STARTED", "r-1", details={"task": "mnist"}))
    kept(
        suspected("UPDATE_SUSPECTED", 2.5, 1),
        replace(suspected("UPDATE_SUSPECTED", 3.0, 1), node="x"),
    )
    kept(replace(suspected("UPDATE_CLEARED", 1.0, 2), node="x"))
    (found,) = store.ask(suspicions)
    assert (found.event, found.known) == (suspected("UPDATE_SUSPECTED", 2.5, 1), False)
    findings = Suspects().told(found.event)
    store.ingest.change(lambda db: Book(db, AlertOptions(), now_ns()).take(findings)).result(10)
    (found,) = store.ask(suspicions)
    assert found.known
    kept(Event(START + 9 * SECOND, "federated", "RUN_ENDED", "r-1", details={"state": "failed"}))
    assert store.ask(suspicions) == []


@pytest.mark.parametrize("known", [False, True])
@in_a_loop
async def test_a_suspicion_that_became_no_alert_is_told_and_scores_keep_it(known: bool) -> None:
    stage = Stage()
    told = [Suspicion(suspected("UPDATE_SUSPECTED", 2.5, 1), known)]
    watch = Watching(AnomalyOptions(), stage._search, stage.kept, told)
    assert [one.active for one in stage.kept.findings] == ([] if known else [True])
    watch.tap([own(batch([scored(3.0, 2)]))])
    await watch.look()
    assert stage.kept.findings[-1].current_value == 3.0


@in_a_loop
async def test_a_run_that_is_over_makes_room() -> None:
    stage = Stage(series=1)
    stage.commit([Sample(START, "fl_eval_loss", 0.5, 1, {"run": "r-1"})])
    stage.commit([Sample(START, "fl_eval_loss", 0.5, 1, {"run": "r-2"})])
    await stage.settled()
    assert (len(stage.watch.detecting), stage.watch.detecting.refused) == (1, 1)
    stage.commit(
        events=[Event(START, "federated", "RUN_ENDED", "r-1", details={"state": "failed"})]
    )
    stage.commit([Sample(START + 1, "fl_eval_loss", 0.5, 2, {"run": "r-2"})])
    await stage.settled()
    assert stage.watch.detecting.refused == 1


@in_a_loop
async def test_beyond_its_bound_it_drops_and_counts() -> None:
    stage = Stage()
    most = watching.MOST_WAITING
    for first in range(0, most + 20_000, 10_000):
        stage.commit(load([0.4] * 10_000, first))
    assert stage.watch.waiting == most
    assert stage.watch.dropped == 20_000


@in_a_loop
async def test_a_search_that_fails_is_told_and_the_watch_lives_on() -> None:
    stage = Stage()

    async def broken(question: Callable[[SampleSearch], Any]) -> Any:
        raise OSError("the disk is gone")

    watch = Watching(AnomalyOptions(), broken, stage.kept)
    running = asyncio.create_task(watch.run())
    watch.tap([own(batch(load([0.4])))])
    while watch.error is None:
        await asyncio.sleep(0.01)
    assert watch.error == "the disk is gone"
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"metrics": ("a b",)}, "metrics' names"),
        ({"metrics": ("bytes_total",)}, "a counter"),
        ({"sensitivity": "extreme"}, "one of low, medium, high"),
    ],
)
def test_bad_options_are_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        AnomalyOptions(**wrong)
