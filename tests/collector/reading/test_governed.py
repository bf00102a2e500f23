"""Under which policy a run went, as its events tell, and as a person reads it."""

from __future__ import annotations

from typing import Any

from fedsight.cli.governed import NONE_TOLD, ruled_by
from fedsight.collector.reading.governed import Governed, Under, governed
from fedsight.signals import Batch, Event
from tests.collector.open_store import Store
from tests.collector.shipments import START, shipment, started


def told(kind: str, round_: int, node: str | None = None, **details: Any) -> Event:
    return Event(START + round_, "federated", kind, "r-1", round_, node, details)


def test_the_sets_that_decided_and_whom_they_refused(store: Store) -> None:
    events = [
        told("RUN_GOVERNED", 1, version="aa", observed=False),
        told("CLIENT_REFUSED", 2, "b", version="aa"),
        told("RUN_GOVERNED", 3, version="bb"),
        told("CLIENT_REFUSED", 3, "b", version="bb"),
        told("CLIENT_REFUSED", 3, "a", version="bb"),
    ]
    store.send(shipment("j", [started("r-1", ["a", "b"]), Batch(events=events)]))
    found = store.ask(governed, "r-1")
    assert found == Governed([Under("aa", 1, False), Under("bb", 3, None)], {"b": 2, "a": 1})
    assert ruled_by(found) == "version aa, from round 3 on bb, refused b (2 times), a (once)"


def test_a_run_of_which_no_policy_told_has_none(store: Store) -> None:
    store.send(shipment("j", [started("r-1", ["a"])]))
    assert store.ask(governed, "r-1") == Governed([], {})
    assert ruled_by(Governed([], {})) == NONE_TOLD


def test_what_was_only_observed_says_so_and_many_are_counted() -> None:
    found = Governed([Under("aa", 1, True)], {f"client-{at}": 1 for at in range(7)})
    said = ruled_by(found)
    assert said.startswith("version aa, only observed, refused client-0")
    assert said.endswith("and 2 more")
