from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fedsight.collector.live.messages import Packet, cursor_of, packets_after
from fedsight.signals import Batch, Event
from tests.collector.open_store import Store
from tests.collector.shipments import START, shipment


def packets(store: Store, *events: Event) -> list[Packet]:
    store.send(shipment("j", [Batch(events=list(events))]))
    found: tuple[list[Packet], int] = store.ask(packets_after, 0)
    return found[0]


def alert(kind: str, **details: Any) -> Event:
    return Event(START, "alerts", kind, "r-1", 3, details={"id": 7, "state": "firing", **details})


@pytest.mark.parametrize(
    ("event", "type_", "streams"),
    [
        (Event(START, "policy", "DENIED"), "policy_event", ("policy_events",)),
        (Event(START, "network", "LINK_DOWN"), "event", ("network_performance",)),
        (Event(START, "collector", "JOURNAL_GAP"), "event", ("system_events",)),
        (alert("ALERT_FIRING", type="fl_accuracy_drop"), "alert", ("alerts",)),
        (
            alert("ALERT_FIRING", type="network_latency_spike"),
            "network_alert",
            ("alerts", "network_performance"),
        ),
    ],
)
def test_an_event_is_told_as_its_source_says(
    store: Store, event: Event, type_: str, streams: tuple[str, ...]
) -> None:
    [packet] = packets(store, event)
    message = msgspec.json.decode(packet.message["text"])
    assert (message["type"], message["cursor"]) == (type_, packet.cursor)
    assert packet.streams == streams
    assert packet.cursor == cursor_of(1)
    if "alert" in type_:
        assert message["alert"] == event.details
        assert packet.run == "r-1"
    else:
        assert message["event"]["kind"] == event.kind
