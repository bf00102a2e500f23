"""Against Debian's Alertmanager: what it then holds, and what it sends on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fedsight.collector.alerts.alertmanager import (
    PAGE,
    RESOLVED_SECONDS,
    label_name,
    newest,
    postable,
)
from fedsight.collector.alerts.finding import Finding
from fedsight.collector.alerts.lifecycle import Holding, followed
from fedsight.collector.alerts.options import AlertOptions
from fedsight.door.times import now_ns, rfc3339
from tests.collector.alerts.alertmanager import RealAlertmanager, free_port
from tests.collector.alerts.findings import SECOND, START, right, wrong
from tests.collector.alerts.running_alerts import alerting, run, until
from tests.collector.open_store import Store
from tests.collector.stub_service import Asked, Said, StubService


def now_wrong(key: str = "k", **given: Any) -> Finding:
    return wrong((now_ns() - START) / SECOND, key, **given)


def now_right(key: str = "k") -> Finding:
    return right((now_ns() - START) / SECOND, key)


def sent_on(receiver: StubService) -> list[tuple[str, str]]:
    """What Alertmanager sent on: state and name of each alert."""
    bodies = [json.loads(asked.body) for asked in receiver.asked]
    return [(one["status"], one["labels"]["alertname"]) for b in bodies for one in b["alerts"]]


@pytest.mark.slow
def test_alertmanager_hears_what_fires_and_what_is_over(store: Store, tmp_path: Path) -> None:
    async def work(manager: RealAlertmanager, receiver: StubService) -> None:
        options = AlertOptions(alertmanagers=(manager.url,), resend_seconds=1.0)
        async with alerting(store, options) as parts:
            parts.alerts.report(
                [now_wrong(run="r-1", node="n", labels={"job.name": "x"}, current_value=0.4)]
            )
            held = await until(manager.alerts)
            assert held[0]["labels"] == {
                "alertname": "fl_accuracy_drop",
                "severity": "critical",
                "key": "k",
                "run": "r-1",
                "node": "n",
                "job_name": "x",
            }
            assert held[0]["annotations"] == {"summary": "it fell", "current_value": "0.4"}
            parts.alerts.report([now_right()])
            await until(lambda: sent_on(receiver)[-1:] == [("resolved", "fl_accuracy_drop")])
            assert parts.error is None

    with (
        StubService(lambda _: (200, {})) as receiver,
        RealAlertmanager(tmp_path / "manager", receiver.url) as manager,
    ):
        run(lambda: work(manager, receiver))
    assert ("firing", "fl_accuracy_drop") in sent_on(receiver)


@pytest.mark.slow
def test_one_that_was_restarted_hears_of_it_again(store: Store, tmp_path: Path) -> None:
    async def work(manager: RealAlertmanager) -> None:
        options = AlertOptions(alertmanagers=(manager.url,), resend_seconds=1.0)
        async with alerting(store, options) as parts:
            parts.alerts.report([now_wrong()])
            await until(manager.alerts)
            manager.restart()
            held = await until(manager.alerts)
            assert held[0]["labels"]["key"] == "k"

    with (
        StubService(lambda _: (200, {})) as receiver,
        RealAlertmanager(tmp_path / "manager", receiver.url) as manager,
    ):
        run(lambda: work(manager))


@pytest.mark.slow
def test_it_hears_nothing_of_what_is_silenced_or_pending(store: Store, tmp_path: Path) -> None:
    from fedsight.collector.alerts.lifecycle import Holdings
    from fedsight.collector.alerts.silences import LabelMatcher, NewSilence

    async def work(manager: RealAlertmanager) -> None:
        holdings = Holdings({"slow": Holding(seconds=3600)})
        options = AlertOptions(alertmanagers=(manager.url,), resend_seconds=1.0, holdings=holdings)
        async with alerting(store, options) as parts:
            ends = rfc3339(now_ns() + 3600 * SECOND)
            await parts.alerts.silence(NewSilence([LabelMatcher("run", "quiet")], ends))
            parts.alerts.report([now_wrong("a", run="quiet"), now_wrong("b", type="slow")])
            parts.alerts.report([now_wrong("c")])
            held = await until(manager.alerts)
            assert [one["labels"]["key"] for one in held] == ["c"]

    with (
        StubService(lambda _: (200, {})) as receiver,
        RealAlertmanager(tmp_path / "manager", receiver.url) as manager,
    ):
        run(lambda: work(manager))


def test_one_that_is_away_is_told_of(store: Store) -> None:
    async def work() -> None:
        url = f"http://127.0.0.1:{free_port()}"
        async with alerting(store, AlertOptions(alertmanagers=(url,))) as parts:
            parts.alerts.report([now_wrong()])
            error = await until(lambda: parts.alertmanagers.error)
            assert error.startswith(url)

    run(work)


def test_one_that_refuses_is_told_of(store: Store) -> None:
    async def work(manager: StubService) -> None:
        async with alerting(store, AlertOptions(alertmanagers=(manager.url,))) as parts:
            parts.alerts.report([now_wrong()])
            assert await until(lambda: parts.alertmanagers.error) == (
                f"{manager.url}: it answered 400"
            )

    with StubService(lambda _: (400, {})) as manager:
        run(lambda: work(manager))


def test_the_times_that_it_is_told() -> None:
    record = followed(None, wrong(0), Holding(), START)
    assert record is not None
    told = postable(record, START + 5 * SECOND, 120.0)
    assert (told.starts_at, told.ends_at) == (rfc3339(START), rfc3339(START + 125 * SECOND))
    over = followed(record, right(3), Holding(), START)
    assert over is not None
    assert postable(over, START + 5 * SECOND, 120.0).ends_at == rfc3339(START + 3 * SECOND)
    # A producer whose clock is ahead: an end never lies before its start, nor a start ahead of now.
    early = postable(over, START - 5 * SECOND, 120.0)
    assert early.starts_at < early.ends_at
    assert early.starts_at == rfc3339(START - 5 * SECOND)


def test_labels_that_prometheus_does_not_allow_are_told_apart_from_none() -> None:
    assert label_name("a.b-c:d") == "a_b_c_d"


def test_what_was_resolved_long_ago_is_not_told_again(store: Store) -> None:
    from fedsight.collector.alerts import table
    from fedsight.collector.alerts.book import Book

    def change(db: Any) -> None:
        Book(db, AlertOptions(), START).take([wrong(0), right(1)])

    store.ingest.change(change).result(10)
    after = START + SECOND
    assert len(store.ask(table.told_to_others, after)) == 1
    assert store.ask(table.told_to_others, after + 1) == []
    assert RESOLVED_SECONDS == 900


def test_of_one_key_the_newest_alone_is_told() -> None:
    records = []
    for at, key in enumerate(("a", "b", "a")):
        record = followed(None, wrong(at, key), Holding(), START)
        assert record is not None
        records.append(record)
    over = followed(records[0], right(1, "a"), Holding(), START)
    assert over is not None
    assert newest([over, *records[1:]]) == [records[2], records[1]]


def test_a_page_that_is_refused_holds_up_no_other(store: Store) -> None:
    took: list[str] = []

    def answer(asked: Asked) -> Said:
        keys = [one["labels"]["key"] for one in json.loads(asked.body)]
        if "k0" in keys:
            return 400, {}
        took.extend(keys)
        return 200, {}

    async def work(manager: StubService) -> None:
        async with alerting(store, AlertOptions(alertmanagers=(manager.url,))) as parts:
            parts.alerts.report([now_wrong(f"k{n}") for n in range(PAGE + 1)])
            await until(lambda: f"k{PAGE}" in took)
            assert await until(lambda: parts.alertmanagers.error)

    with StubService(answer) as manager:
        run(lambda: work(manager))
