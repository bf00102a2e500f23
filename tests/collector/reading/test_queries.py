from __future__ import annotations

import pytest

from fedsight.collector.reading import queries
from fedsight.collector.reading.queries import RunCursor, RunFilter
from fedsight.door.times import now_ns, parse_rfc3339, rfc3339
from fedsight.signals import Batch, Event, Sample, batch
from tests.collector.open_store import Store
from tests.collector.shipments import SECOND, START, ended, shipment, started, trained


def test_a_run_that_sends_nothing_is_silent(store: Store) -> None:
    rounds = [trained("r-1", n, ["a"]) for n in range(1, 5)]
    store.send(shipment("j", [started("r-1", ["a"]), *rounds]))
    now = now_ns()
    assert store.ask(queries.run, "r-1", now).state == "training"
    later = now + 60 * SECOND
    run = store.ask(queries.run, "r-1", later)
    assert run.state == "silent"
    assert run.silent.seconds == pytest.approx(60, abs=5)
    assert run.silent.p95_factor == pytest.approx(60, abs=5)
    assert store.ask(queries.runs, RunFilter(state="silent"), later).total == 1
    assert store.ask(queries.runs, RunFilter(state="training"), later).total == 0
    assert store.ask(queries.runs, RunFilter(state="training"), now).total == 1


def test_a_run_that_only_samples_name_has_no_state_that_is_known(store: Store) -> None:
    of_run = {"run": "r-1", "node": "a"}
    store.send(shipment("j", [batch([Sample(START, "fl_client_train_loss", 0.5, 1, of_run)])]))
    late = now_ns() + 3600 * SECOND
    run = store.ask(queries.run, "r-1", late)
    assert (run.state, run.silent) == ("unknown", None)
    assert store.ask(queries.runs, RunFilter(state="unknown"), late).total == 1
    assert store.ask(queries.runs, RunFilter(state="silent"), late).total == 0
    begun = Batch(events=[Event(START, "federated", "ROUND_STARTED", "r-1", 2)])
    store.send(shipment("j", [begun], 2))
    assert store.ask(queries.run, "r-1", now_ns()).state == "training"
    assert store.ask(queries.runs, RunFilter(state="training"), now_ns()).total == 1


def test_a_run_that_ended_is_never_silent(store: Store) -> None:
    store.send(shipment("j", [started("r-1", ["a"]), ended("r-1")]))
    assert store.ask(queries.run, "r-1", now_ns() + 3600 * SECOND).state == "finished"


def with_rounds(store: Store, *seconds: float) -> None:
    """A run that trains, with rounds of these lengths."""
    of_run = {"run": "r-1"}
    samples = [
        Sample(START, "fl_round_duration_seconds", length, number, of_run)
        for number, length in enumerate(seconds, 1)
    ]
    store.send(shipment("j", [started("r-1", ["a"]), batch(samples)]))


@pytest.mark.parametrize(
    ("seconds", "bound"),
    [
        ([], 300),
        ([60.0], 180),
        ([60.0, 90.0], 270),
        ([1.0], 30),
        ([60.0, 60.0, 60.0], 180),
        ([1.0, 1.0, 1.0], 30),
    ],
)
def test_slow_rounds_are_given_three_times_their_length(
    store: Store, seconds: list[float], bound: int
) -> None:
    with_rounds(store, *seconds)
    received = store.rows("SELECT received FROM runs")[0][0]
    late = received + (bound + 1) * SECOND
    silent = store.ask(queries.run, "r-1", late).silent
    p95 = seconds[0] if len(seconds) == 3 else None
    assert silent.seconds == bound + 1
    assert silent.p95_factor == (None if p95 is None else round((bound + 1) / p95, 2))
    assert store.ask(queries.runs, RunFilter(state="silent"), late).total == 1
    early = received + (bound - 1) * SECOND
    assert store.ask(queries.run, "r-1", early).silent is None
    assert store.ask(queries.runs, RunFilter(state="silent"), early).total == 0


def test_ids_that_begin_so_come_in_order_the_exact_one_first(store: Store) -> None:
    for name in ("r-12", "r-1", "r-2", "r_1%"):
        store.send(shipment(f"j-{name}", [started(name, ["a"])]))
    assert store.ask(queries.run_ids, "r-1", 5) == ["r-1", "r-12"]
    assert store.ask(queries.run_ids, "r-1", 1) == ["r-1"]
    assert store.ask(queries.run_ids, "%", 5) == []


def test_runs_come_newest_first(store: Store) -> None:
    for at in range(3):
        begun = Event(START + at, "federated", "RUN_STARTED", f"r-{at}", details={"task": "mnist"})
        store.send(shipment(f"j-{at}", [Batch(events=[begun])]))
    page = store.ask(queries.runs, RunFilter(limit=2), START)
    assert ([run.id for run in page.runs], page.total) == (["r-2", "r-1"], 3)
    rest = store.ask(queries.runs, RunFilter(limit=2, offset=2), START)
    assert [run.id for run in rest.runs] == ["r-0"]
    assert store.ask(queries.newest_run) == "r-2"


def test_a_page_after_a_cursor_does_not_move_when_a_run_begins(store: Store) -> None:
    for at in range(4):
        store.send(shipment(f"j-{at}", [begun(f"r-{at}", START + at // 2)]))  # two at one time
    page = store.ask(queries.runs, RunFilter(limit=1), START)
    found = [run.id for run in page.runs]
    store.send(shipment("j-9", [begun("r-9", START + 9)]))
    while page.next is not None:
        began, _, run = page.next.partition("~")
        after = RunCursor(int(began), run)
        page = store.ask(queries.runs, RunFilter(limit=1, after=after), START)
        found += [run.id for run in page.runs]
    assert found == ["r-2", "r-3", "r-0", "r-1"]
    assert page.total == 5


def begun(run: str, time: int) -> Batch:
    return Batch(events=[Event(time, "federated", "RUN_STARTED", run, details={"task": "mnist"})])


def test_a_run_whose_beginning_is_lost_is_shown_without_it(store: Store) -> None:
    store.send(shipment("j", [trained("r-1", 7, ["a"])], first_seq=8, oldest_seq=8))
    run = store.ask(queries.run, "r-1", START)
    assert (run.task, run.started, run.seconds, run.rounds) == (None,) * 4
    assert (run.round, run.accuracy) == (7, 0.5)


def test_an_event_that_merely_names_a_run_makes_none(store: Store) -> None:
    said = Event(START, "policy", "DENIED", "r-9", details={})
    store.send(shipment("p", [Batch(events=[said])]))
    assert store.ask(queries.runs, RunFilter(), START).total == 0
    assert len(store.ask(queries.events, "r-9", queries.EventFilter()).events) == 1


def test_a_failed_round_is_over_too(store: Store) -> None:
    event = Event(START, "federated", "ROUND_FAILED", "r-1", 3, details={"message": "no update"})
    store.send(shipment("j", [started("r-1", ["a"]), Batch(events=[event])]))
    assert store.ask(queries.run, "r-1", START).round == 3
    assert [row.round for row in store.ask(queries.rounds, "r-1").rounds] == [3]


def test_times_go_to_text_and_back() -> None:
    assert rfc3339(START) == "2026-11-22T09:52:00.000000Z"
    assert parse_rfc3339("2026-11-22T09:52:00Z") == START
    assert parse_rfc3339("2026-11-22T10:52:00.5+01:00") == START + SECOND // 2
    for text in ("2026-11-22T09:52:00", "1960-01-01T00:00:00Z", "2300-01-01T00:00:00Z", "soon"):
        with pytest.raises(ValueError, match=r"zone|between|Invalid"):
            parse_rfc3339(text)
