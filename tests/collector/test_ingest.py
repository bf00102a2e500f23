from __future__ import annotations

import sqlite3
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedsight.collector.ingest import Ingest
from fedsight.collector.reading import queries
from fedsight.collector.reading.queries import EventFilter, RunFilter
from fedsight.collector.store.hotlog import prepared
from fedsight.collector.store.prepare import Record
from fedsight.collector.store.schema import FILE_NAME
from fedsight.collector.store.storefile import open_store
from fedsight.door.refusal import BadFieldError, RefusedError
from fedsight.errors import StoreError
from fedsight.journal import GapError
from fedsight.signals import Event, batch
from tests.collector.open_store import Store
from tests.collector.shipments import (
    SECOND,
    START,
    ended,
    shipment,
    started,
    trained,
    whole_run,
)

RECORDS = whole_run("r-1", ["a", "b"], rounds=10)


def test_a_shipment_sent_twice_is_stored_once(store: Store) -> None:
    sent = shipment("j", RECORDS[:3])
    assert store.send(sent) == 4
    once = store.contents()
    assert store.send(sent) == 4
    changed = set(store.contents().splitlines()) ^ set(once.splitlines())
    assert not [line for line in changed if "INSERT INTO" in line and '"runs"' not in line]


def test_an_overlapping_shipment_adds_only_its_new_records(store: Store) -> None:
    store.send(shipment("j", RECORDS[:3]))
    assert store.send(shipment("j", RECORDS[1:5], first_seq=2)) == 6
    assert store.rows("SELECT seq FROM sample_batches ORDER BY id") == [(2,), (3,), (4,), (5,)]


def test_a_gap_that_can_be_closed_is_refused_with_the_seq_expected(store: Store) -> None:
    store.send(shipment("j", RECORDS[:2]))
    before = store.contents()
    with pytest.raises(GapError) as refused:
        store.send(shipment("j", RECORDS[4:5], first_seq=5))
    assert refused.value.expected_seq == 3
    assert store.contents() == before


def test_records_gone_for_good_are_noted_as_a_gap(store: Store) -> None:
    store.send(shipment("j", RECORDS[:2]))
    assert store.send(shipment("j", RECORDS[4:5], first_seq=5, oldest_seq=5)) == 6
    gap = store.ask(queries.events, "r-1", EventFilter(kind="JOURNAL_GAP")).events
    assert [event.details for event in gap] == [{"journal": "j", "from_seq": 3, "to_seq": 4}]


def test_an_empty_shipment_tells_the_seq_expected(store: Store) -> None:
    store.send(shipment("j", RECORDS[:2]))
    assert store.send(shipment("j", [], first_seq=1)) == 3


def test_a_refused_shipment_leaves_its_neighbours_in_the_group_alone(store: Store) -> None:
    sent = [
        store.ingest.submit(prepared(shipment("a", RECORDS[:2]))),
        store.ingest.submit(prepared(shipment("b", [started("r-1", ["x"])]))),
        store.ingest.submit(prepared(shipment("c", whole_run("r-3", ["a"])))),
        store.ingest.submit(prepared(shipment("a", RECORDS[2:3], first_seq=3))),
    ]
    assert [sent[0].result(5), sent[2].result(5), sent[3].result(5)] == [3, 5, 4]
    # The same run id, the same time, another journal.
    with pytest.raises(BadFieldError, match="already begun"):
        sent[1].result(5)
    assert store.rows("SELECT id, last_seq FROM journals ORDER BY id") == [("a", 3), ("c", 4)]


def test_another_run_cannot_take_a_run_id_that_is_taken(store: Store) -> None:
    store.send(shipment("j", RECORDS[:2]))
    other = Event(START + 1, "federated", "RUN_STARTED", "r-1", details={"task": "mnist"})
    with pytest.raises(BadFieldError) as refused:
        store.send(shipment("k", [RECORDS[0], type(RECORDS[0])(events=[other])]))
    assert refused.value.field == "records[0].events[0].run"
    assert store.ask(queries.run, "r-1", START).task == "digits"


def test_events_of_a_run_from_another_journal_make_no_second_run(store: Store) -> None:
    store.send(shipment("j", RECORDS))
    store.send(shipment("k", [trained("r-1", 1, ["c"])]))
    assert store.ask(queries.runs, RunFilter(), START).total == 1


def test_interrupted_never_replaces_how_a_run_really_ended(store: Store) -> None:
    store.send(shipment("j", [started("r-1", ["a"]), ended("r-1"), ended("r-1", "interrupted")]))
    assert store.ask(queries.run, "r-1", START).state == "finished"


def test_what_the_process_says_replaces_interrupted(store: Store) -> None:
    records = [started("r-1", ["a"]), ended("r-1", "interrupted"), ended("r-1", "failed", "why")]
    store.send(shipment("j", records))
    found = store.ask(queries.run, "r-1", START)
    assert (found.state, found.reason) == ("failed", "why")


def test_many_waiting_shipments_share_commits(store: Store) -> None:
    waiting = [
        store.ingest.submit(prepared(shipment(f"j{n}", whole_run(f"r-{n}", ["a"]))))
        for n in range(100)
    ]
    assert {answer.result(10) for answer in waiting} == {5}
    assert store.commits < 100


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(0, 11), st.integers(1, 6)),
        st.tuples(st.just("restart"), st.just(0), st.just(0)),
    ),
    max_size=12,
)


@settings(max_examples=15, deadline=None)
@given(ACTS)
def test_any_sequence_of_shipments_stores_each_record_once(
    acts: list[tuple[str, int, int]],
) -> None:
    """Shipments overlap, repeat, skip ahead and meet restarts; then the rest is sent."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        expected = 1
        for act, at, count in [*acts, ("send", 0, len(RECORDS))]:
            if act == "restart":
                store.restart()
            elif at + 1 > expected:
                with pytest.raises(GapError) as gap:
                    store.send(shipment("j", RECORDS[at : at + count], at + 1))
                assert gap.value.expected_seq == expected
            else:
                sent = RECORDS[at : at + count]
                expected = max(expected, at + 1 + len(sent))
                assert store.send(shipment("j", sent, at + 1)) == expected
        assert store.rows("SELECT round FROM rounds") == [(n,) for n in range(1, 11)]
        assert store.rows("SELECT count(*) FROM events") == [(22,)]
        assert store.rows("SELECT seq FROM sample_batches ORDER BY id") == [
            (n,) for n in range(2, 12)
        ]
        assert store.rows("SELECT sum(n) FROM span_batches") == [(30,)]
        found = store.ask(queries.run, "r-1", START)
        assert (found.round, found.payload_up_bytes, found.seconds) == (10, 900, 10.0)
        assert found.state == "finished"
        store.close()


def test_an_own_event_is_stored(store: Store) -> None:
    own = Event(START + SECOND, "collector", "STORE_RESET", details={"kept": "x"})
    store.ingest.keep(batch(events=[own])).result(5)
    found = store.ask(queries.events, None, EventFilter()).events
    assert [(event.kind, event.run, event.details) for event in found] == [
        ("STORE_RESET", None, {"kept": "x"})
    ]


def test_whoever_gave_up_waiting_leaves_the_writing_to_others(tmp_path: Path) -> None:
    connection, _ = open_store(tmp_path)
    reached, go_on = threading.Event(), threading.Event()

    def held() -> None:
        reached.set()
        go_on.wait(10)

    ingest = Ingest(connection, tmp_path / FILE_NAME, held)
    ingest.submit(prepared(shipment("j", RECORDS[:1])))
    assert reached.wait(10)
    gone = ingest.submit(prepared(shipment("j", RECORDS[1:2], first_seq=2)))
    assert gone.cancel()
    go_on.set()
    assert ingest.submit(prepared(shipment("j", RECORDS[2:3], first_seq=3))).result(10) == 4
    ingest.close()
    with pytest.raises(StoreError, match="any more"):
        ingest.submit(prepared(shipment("j", RECORDS[3:4], first_seq=4)))


def test_a_change_is_made_and_a_refused_one_leaves_no_trace(store: Store) -> None:
    def insert(name: str, *, fail: bool) -> Callable[[sqlite3.Connection], str]:
        def work(connection: sqlite3.Connection) -> str:
            connection.execute("INSERT INTO journals VALUES (?, 1)", (name,))
            if fail:
                raise RefusedError(409, "state", "no")
            return name

        return work

    kept, refused = (store.ingest.change(insert(n, fail=f)) for n, f in (("a", False), ("b", True)))
    assert kept.result(5) == "a"
    with pytest.raises(RefusedError, match="no"):
        refused.result(5)
    assert store.rows("SELECT id FROM journals") == [("a",)]


def test_a_tap_is_given_what_was_written_and_nothing_twice(store: Store) -> None:
    seen: list[Record] = []
    store.ingest.taps.append(seen.extend)
    store.send(shipment("a", RECORDS[:2]))
    store.send(shipment("a", RECORDS[:3]))
    assert len(seen) == 3


def test_a_fault_of_who_looks_on_ends_nothing(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    def stumbles(_: object) -> None:
        raise ZeroDivisionError

    seen: list[Record] = []
    store.ingest.taps += [stumbles, seen.extend]
    for first in (1, 2):
        assert store.send(shipment("j", RECORDS[first - 1 : first], first_seq=first)) == first + 1
    store.ingest.change(lambda db: None).result(10)  # begins once the taps before have returned
    assert len(seen) == 2
    assert "cannot be looked at" in caplog.text
