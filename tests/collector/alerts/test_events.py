"""An alert that one event begins and another ends."""

from __future__ import annotations

from typing import Any

from fedsight.collector.alerts import table
from fedsight.collector.alerts.events import BEGUN, ENDED, found
from fedsight.collector.alerts.options import AlertOptions
from fedsight.door.times import now_ns
from fedsight.signals import Event, batch
from tests.collector.alerts.running_alerts import alerting, run, until
from tests.collector.open_store import Store
from tests.collector.shipments import shipment

DETAILS: dict[str, Any] = {"message": "train again", "ratio": 1.7, "threshold": 1.5}


def event(kind: str, **details: Any) -> Event:
    return Event(now_ns(), "forecast", kind, details={**DETAILS, **details})


def keep(store: Store, *events: Event) -> None:
    store.send(shipment(f"j-{now_ns()}", [batch(events=events)]))


def states(store: Store) -> list[tuple[str, str]]:
    return store.rows("SELECT type, state FROM alerts ORDER BY id")


def test_drift_fires_until_it_is_over(store: Store) -> None:
    async def work() -> None:
        # Nobody looks at it in between: it is not stale for that.
        async with alerting(store, AlertOptions(stale_seconds=0.0)) as parts:
            keep(store, event(BEGUN), event("ROUND_STARTED"))
            await until(lambda: states(store) == [("retrain_suggested", "firing")])
            await parts.alerts.look_after()
            (alert,) = store.ask(table.active)
            assert (alert.message, alert.current_value, alert.threshold) == (
                "train again",
                1.7,
                1.5,
            )
            assert alert.state == "firing"
            keep(store, event(ENDED))
            await until(lambda: states(store) == [("retrain_suggested", "resolved")])

    run(work)


def test_what_a_kill_came_before_is_found_at_the_next_start(store: Store) -> None:
    keep(store, event(BEGUN))

    async def begins() -> None:
        async with alerting(store, AlertOptions()):
            await until(lambda: states(store) == [("retrain_suggested", "firing")])

    async def ends() -> None:
        async with alerting(store, AlertOptions()):
            await until(lambda: states(store) == [("retrain_suggested", "resolved")])

    run(begins)
    count = store.rows("SELECT count FROM alerts")
    run(begins)
    assert store.rows("SELECT count FROM alerts") == count
    keep(store, event(ENDED))
    run(ends)


def test_figures_that_are_none_are_not_known() -> None:
    one = found(event(BEGUN, ratio="many", threshold=True))
    assert one is not None
    assert (one.current_value, one.threshold) == (None, None)
    assert found(event("ROUND_STARTED")) is None
