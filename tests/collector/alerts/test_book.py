"""Changes of alerts in a real store: rows, events and messages together."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from fedsight.collector.alerts import book as books
from fedsight.collector.alerts import outbox, table
from fedsight.collector.alerts.book import Book
from fedsight.collector.alerts.lifecycle import Holding, Holdings
from fedsight.collector.alerts.options import AlertOptions, Webhook
from fedsight.collector.alerts.silences import (
    LabelMatcher,
    NewSilence,
    add_silence,
    checked,
    end_silence,
)
from fedsight.door.refusal import RefusedError
from fedsight.door.times import rfc3339
from tests.collector.alerts.findings import SECOND, START, right, wrong
from tests.collector.open_store import Store
from tests.collector.shipments import ended, shipment, started

HOOK = Webhook("http://127.0.0.1:9/hook")
OPTIONS = AlertOptions(webhooks=(HOOK, Webhook("http://127.0.0.1:9/grave", "critical")))


def change(
    store: Store, work: Callable[[Book], Any], at: float = 0.0, options: AlertOptions = OPTIONS
) -> Book:
    def made(db: sqlite3.Connection) -> Book:
        book = Book(db, options, START + int(at * SECOND))
        work(book)
        return book

    return store.ingest.change(made).result(10)


def kinds(store: Store) -> list[str]:
    return [kind for (kind,) in store.rows("SELECT kind FROM events ORDER BY id")]


def messages(store: Store, hook: Webhook = HOOK) -> list[str]:
    query = f"SELECT event FROM alert_outbox WHERE target = '{hook.target}' ORDER BY id"
    return [event for (event,) in store.rows(query)]


def test_one_key_is_one_alert(store: Store) -> None:
    change(store, lambda book: book.take([wrong(0), wrong(1), wrong(2)]))
    found, total = store.ask(table.page, table.AlertFilter())
    assert (total, found[0].count, found[0].state) == (1, 3, "firing")
    assert kinds(store) == ["ALERT_FIRING"]
    assert messages(store) == ["firing"]


def test_what_comes_back_is_another_alert(store: Store) -> None:
    change(store, lambda book: book.take([wrong(0), right(1), wrong(2)]))
    found, _ = store.ask(table.page, table.AlertFilter())
    assert [record.state for record in found] == ["firing", "resolved"]
    assert kinds(store) == ["ALERT_FIRING", "ALERT_RESOLVED", "ALERT_FIRING"]
    assert messages(store) == ["firing", "resolved", "firing"]


def test_the_event_holds_the_whole_alert(store: Store) -> None:
    change(store, lambda book: book.take([wrong(0, run="r-1", node="n", round=4, threshold=2.0)]))
    row = store.rows("SELECT source, run, node, round, details FROM events")[0]
    told = msgspec.json.decode(row[4])
    assert row[:4] == ("alerts", "r-1", "n", 4)
    assert (told["type"], told["threshold"], told["state"]) == ("fl_accuracy_drop", 2.0, "firing")
    assert told["fired"] == rfc3339(START)


def test_what_only_was_pending_leaves_no_row_and_no_message(store: Store) -> None:
    options = AlertOptions(webhooks=(HOOK,), holdings=Holdings(others=Holding(seconds=60)))
    change(store, lambda book: book.take([wrong(0), right(1)]), options=options)
    assert store.rows("SELECT count(*) FROM alerts") == [(0,)]
    assert kinds(store) == ["ALERT_PENDING", "ALERT_RESOLVED"]
    assert messages(store) == []


def test_a_webhook_is_sent_what_is_grave_enough_for_it(store: Store) -> None:
    change(store, lambda book: book.take([wrong(0, severity="warning")]))
    assert (messages(store), messages(store, OPTIONS.webhooks[1])) == (["firing"], [])


def silenced(store: Store, *matchers: LabelMatcher, ends: float = 60) -> int:
    new = NewSilence(list(matchers), rfc3339(START + int(ends * SECOND)), by="ann")
    record = checked(new, START)
    kept = store.ingest.change(lambda db: add_silence(db, record, START)).result(10)
    return kept.id


@pytest.mark.parametrize(
    ("matcher", "holds"),
    [
        (LabelMatcher("type", "fl_accuracy_drop"), True),
        (LabelMatcher("run", "r-.", "=~"), True),
        (LabelMatcher("run", "r", "=~"), False),
        (LabelMatcher("node", "n", "!="), True),
        (LabelMatcher("job", "nightly"), True),
        (LabelMatcher("severity", "warning"), False),
    ],
)
def test_a_silence_holds_messages_back(store: Store, matcher: LabelMatcher, holds: bool) -> None:
    by_run = LabelMatcher("run", "r-1")
    silenced(store, by_run, matcher)
    change(store, lambda book: book.take([wrong(0, run="r-1", labels={"job": "nightly"})]), 1)
    assert messages(store) == ([] if holds else ["firing"])
    assert kinds(store) == ["ALERT_FIRING"]


def test_what_a_silence_held_back_is_told_once_it_ends(store: Store) -> None:
    silenced(store, LabelMatcher("type", "fl_accuracy_drop"), ends=60)
    change(store, lambda book: book.take([wrong(0)]), 1)
    change(store, lambda book: book.look_after(START), 59)
    assert messages(store) == []
    change(store, lambda book: book.look_after(START), 60)
    assert messages(store) == ["firing"]
    change(store, lambda book: book.look_after(START), 61)
    assert messages(store) == ["firing"]


def test_what_was_silenced_to_its_end_is_never_told(store: Store) -> None:
    silenced(store, LabelMatcher("type", "fl_accuracy_drop"))
    change(store, lambda book: book.take([wrong(0), right(1)]), 1)
    assert messages(store) == []


def test_a_silence_is_ended_once(store: Store) -> None:
    number = silenced(store, LabelMatcher("run", "r"))
    at = START + 5 * SECOND
    ended_ = store.ingest.change(lambda db: end_silence(db, number, at)).result(10)
    assert ended_.ends == at
    again = store.ingest.change(lambda db: end_silence(db, number, at + 1)).result(10)
    assert again.ends == at
    with pytest.raises(RefusedError, match="no silence 99"):
        store.ingest.change(lambda db: end_silence(db, 99, at)).result(10)


def test_a_runs_alerts_end_with_it(store: Store) -> None:
    store.send(shipment("j", [started("r-1", ["n"])]))
    change(store, lambda book: book.take([wrong(0, run="r-1"), wrong(0, "other")]))
    change(store, lambda book: book.look_after(START), 1)
    store.send(shipment("j", [ended("r-1")], 2))
    change(store, lambda book: book.look_after(START), 2)
    found, _ = store.ask(table.page, table.AlertFilter(state="resolved"))
    assert [(one.run, one.evidence) for one in found] == [
        ("r-1", {"resolved_by": "the run is over"})
    ]


def test_none_begins_for_a_run_that_is_over(store: Store) -> None:
    store.send(shipment("j", [started("r-1", ["n"]), ended("r-1")]))
    book = change(store, lambda book: book.take([wrong(0, run="r-1")]))
    assert book.closed == {wrong(0).key}
    assert store.ask(table.page, table.AlertFilter())[0] == []
    assert "ALERT_FIRING" not in kinds(store)


def test_what_nobody_looks_at_any_more_ends(store: Store) -> None:
    change(store, lambda book: book.take([wrong(0)]))
    change(store, lambda book: book.look_after(START), 3600)
    assert store.ask(table.counted, "firing") == 1
    # A collector that has just begun waits as long before it takes silence for an answer.
    change(store, lambda book: book.look_after(START + 3000 * SECOND), 3601)
    assert store.ask(table.counted, "firing") == 1
    change(store, lambda book: book.look_after(START), 3601)
    assert store.ask(table.counted, "resolved") == 1


def test_whether_there_is_something_to_look_after(store: Store) -> None:
    def needs(at: float) -> bool:
        def answer(db: sqlite3.Connection) -> bool:
            return Book(db, OPTIONS, START + int(at * SECOND)).needs_looking_after(START)

        return bool(store.ask(answer))

    assert not needs(0)
    silenced(store, LabelMatcher("type", "fl_accuracy_drop"))
    change(store, lambda book: book.take([wrong(0)]))
    assert (needs(59), needs(60)) == (False, True)
    change(store, lambda book: book.look_after(START), 60)
    assert (needs(61), needs(3601)) == (False, True)


def test_the_number_of_alerts_is_bounded(store: Store) -> None:
    most = books.MOST_ACTIVE
    book = change(store, lambda book: book.take([wrong(0, f"k{n}") for n in range(most + 3)]))
    assert (book.refused, store.ask(table.counted, "firing")) == (3, most)
    few = AlertOptions(keep=10)
    change(store, lambda book: book.take([right(1, f"k{n}") for n in range(most)]))
    change(store, lambda book: book.look_after(START), 2, few)
    assert store.ask(table.counted, "resolved") == 10
    change(store, lambda book: book.look_after(START), 91 * 86_400, few)
    assert store.ask(table.counted, "resolved") == 0


def test_messages_that_wait_are_bounded_for_each_target(store: Store) -> None:
    many = [find(n, f"k{m}") for m in range(600) for n, find in enumerate((wrong, right))]
    change(store, lambda book: book.take(many))
    assert len(messages(store)) == outbox.MOST
    assert messages(store)[-1] == "resolved"


def test_an_alert_is_acknowledged(store: Store) -> None:
    change(store, lambda book: book.take([wrong(0)]))
    change(store, lambda book: book.acknowledge(1, "ann", "I look"), 5)
    record = store.ask(table.by_id, 1)
    assert record.told().acknowledged.by == "ann"
    assert record.told().acknowledged.at == rfc3339(START + 5 * SECOND)
    assert kinds(store)[-1] == "ALERT_ACKNOWLEDGED"
    with pytest.raises(RefusedError, match="no alert 7"):
        change(store, lambda book: book.acknowledge(7, "ann", ""))


def test_a_change_that_fails_leaves_nothing(store: Store) -> None:
    def fails(book: Book) -> None:
        book.take([wrong(0)])
        raise RefusedError(409, "no", "no")

    with pytest.raises(RefusedError):
        change(store, fails)
    assert store.rows("SELECT count(*) FROM alerts") == [(0,)]
    assert (kinds(store), messages(store)) == ([], [])


def test_all_of_it_is_there_after_a_restart(store: Store) -> None:
    change(store, lambda book: book.take([wrong(0), wrong(0, "b")]))
    before = store.contents()
    store.restart()
    assert store.contents() == before
    change(store, lambda book: book.take([wrong(1), right(1, "b")]))
    found, _ = store.ask(table.page, table.AlertFilter())
    assert [(one.key, one.state, one.count) for one in found] == [
        ("b", "resolved", 1),
        ("k", "firing", 2),
    ]
