"""A run's summary follows its rounds, in whatever order they come."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedsight.collector.reading import queries
from fedsight.door.times import now_ns
from fedsight.signals import Sample, batch
from tests.collector.open_store import Store
from tests.collector.shipments import START, shipment, started

FIGURES = ("fl_accuracy", "fl_eval_loss", "fl_round_failures", "fl_round_payload_up_bytes")
SUMMARY = "accuracy, best_accuracy, loss, failures, payload_up_bytes"
FOLDED = """
SELECT (SELECT accuracy FROM rounds r WHERE r.run = runs.id AND accuracy IS NOT NULL
        ORDER BY round DESC LIMIT 1),
  max(r.accuracy),
  (SELECT loss FROM rounds r WHERE r.run = runs.id AND loss IS NOT NULL
   ORDER BY round DESC LIMIT 1),
  coalesce(sum(r.failures), 0), sum(r.payload_up_bytes)
FROM runs LEFT JOIN rounds r ON r.run = runs.id GROUP BY runs.id ORDER BY runs.id
"""
one_round = st.tuples(
    st.integers(1, 4), st.dictionaries(st.sampled_from(FIGURES), st.integers(0, 3), min_size=1)
)
_runs = iter(range(10**6))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(one_round, max_size=8))
def test_a_summary_is_what_folding_all_rounds_gives(
    store: Store, changes: list[tuple[int, dict[str, int]]]
) -> None:
    run = f"r-{next(_runs)}"
    records = [
        batch(Sample(START, name, value, number, {"run": run}) for name, value in figures.items())
        for number, figures in changes
    ]
    store.send(shipment(run, [started(run, ["a"]), *records]))
    assert store.rows(f"SELECT {SUMMARY} FROM runs ORDER BY id") == store.rows(FOLDED)


def long_run(store: Store, rounds: int) -> None:
    of_run = {"run": "r-1"}
    samples = [Sample(START, "fl_accuracy", n / rounds, n, of_run) for n in range(1, rounds + 1)]
    samples += [
        Sample(START, "fl_round_duration_seconds", 100.0 if n <= rounds - 200 else 1.0, n, of_run)
        for n in range(1, rounds + 1)
    ]
    store.send(shipment("j", [started("r-1", ["a"]), batch(samples)]))


def test_a_long_runs_trend_has_60_points_with_both_ends(store: Store) -> None:
    long_run(store, 1000)
    trend = store.ask(queries.run, "r-1", now_ns()).accuracy_trend
    assert (len(trend), trend[0], trend[-1]) == (60, 0.001, 1.0)
    assert trend == sorted(trend)


def test_the_pace_is_that_of_the_last_200_rounds(store: Store) -> None:
    long_run(store, 1000)
    assert store.rows("SELECT p95_seconds FROM runs") == [(1.0,)]


def test_a_trend_of_few_measured_rounds_repeats_none(store: Store) -> None:
    samples = [Sample(START, "fl_accuracy", n / 1000, n, {"run": "r-1"}) for n in (1, 500, 1000)]
    store.send(shipment("j", [started("r-1", ["a"]), batch(samples)]))
    assert store.ask(queries.run, "r-1", now_ns()).accuracy_trend == [0.001, 0.5, 1.0]
