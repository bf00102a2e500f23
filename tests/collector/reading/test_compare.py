"""Runs side by side, of which a reader can check every cell by hand."""

from __future__ import annotations

from typing import Any

from fedsight.collector.reading import queries
from fedsight.collector.reading.compare import Difference, compared
from fedsight.collector.reading.rows import RunSummary
from tests.collector.open_store import Store
from tests.collector.shipments import SECOND, ended, shipment, started, trained


def sent(store: Store, run: str, accuracy: float, **config: Any) -> RunSummary:
    records = [
        started(run, ["a", "b"], 1, config=config),
        trained(run, 1, ["a", "b"], accuracy),
        ended(run, at=SECOND),
    ]
    store.send(shipment(run, records))
    found: RunSummary = store.ask(queries.run, run, queries.now_ns())
    return found


def test_settings_are_parted_into_equal_and_different(store: Store) -> None:
    one = sent(store, "one", 0.5, lr=0.1, epochs=1, plan={"mu": 0.1, "deep": {"x": 1}})
    two = sent(store, "two", 0.75, lr=0.2, epochs=1.0, plan={"mu": 0.1, "deep": {"x": True}})
    found = compared([one, two])
    assert [run.id for run in found.runs] == ["one", "two"]
    assert found.differences == [
        Difference("lr", [0.1, 0.2]),
        Difference("plan.deep.x", [1, True]),
    ]
    assert found.same == {
        "engine": "simulation",
        "epochs": 1,
        "model_parameters": 10,
        "nodes": 2,
        "plan.mu": 0.1,
        "rounds": 1,
        "strategy": "fedavg",
        "task": "digits",
    }


def test_what_one_run_does_not_say_is_a_difference(store: Store) -> None:
    found = compared([sent(store, "one", 0.5, tags=["x"]), sent(store, "two", 0.5)])
    assert found.differences == [Difference("tags", [["x"], None])]


def test_deltas_are_to_the_first_and_the_unknown_stays_so(store: Store) -> None:
    store.send(shipment("three", [started("three", [], 1)]))
    third = store.ask(queries.run, "three", queries.now_ns())
    found = compared([sent(store, "one", 0.5), sent(store, "two", 0.75), third])
    figures = {each.name: each for each in found.figures}
    assert figures["accuracy"].values == [0.5, 0.75, None]
    assert figures["accuracy"].deltas == [0.0, 0.25, None]
    assert (figures["accuracy"].better, figures["loss"].better) == ("higher", "lower")
    assert figures["loss"].deltas == [0.0, -0.25, None]
    assert figures["round"].better is None
