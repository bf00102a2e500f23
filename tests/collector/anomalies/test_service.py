"""In a collector's process: what is shipped becomes alerts, unless detection is switched off."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from fedsight.signals import Batch, Event, Sample, batch
from tests.collector.server import Server
from tests.collector.shipments import SECOND, START, started

pytestmark = pytest.mark.slow

WAIT_SECONDS = 20.0
NODES = [f"client-{at}" for at in range(10)]


def round_of(number: int, accuracy: float, participants: int = 10) -> Batch:
    end, of_run = START + number * SECOND, {"run": "r-1"}
    figures = {"fl_accuracy": accuracy, "fl_round_selected": 10.0}
    figures["fl_round_participants"] = float(participants)
    return batch([Sample(end, name, value, number, of_run) for name, value in figures.items()])


def suspected(number: int) -> Batch:
    details = {"method": "norm", "score": 3.1, "threshold": 2.0, "evidence": {"norm": 9.5}}
    at = START + number * SECOND
    kind = "UPDATE_SUSPECTED"
    return batch(events=[Event(at, "federated", kind, "r-1", number, "client-9", details)])


def alerts(server: Server, count: int) -> list[dict[str, Any]]:
    """The alerts there are, once there are so many."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        found: list[dict[str, Any]] = server.get("/api/v1/alerts")["alerts"]
        if len(found) >= count or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def test_what_is_shipped_becomes_alerts(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        rounds = [round_of(number, 0.9) for number in range(1, 6)]
        rounds += [round_of(number, 0.5) for number in range(6, 11)]
        records = [started("r-1", NODES, rounds=20), *rounds, suspected(10)]
        server.send("r-1", [*records, round_of(11, 0.5, participants=6)])
        found = {one["type"]: one for one in alerts(server, 3)}
        assert found.keys() == {"fl_accuracy_drop", "update_suspected", "client_disconnect_spike"}
        assert found["fl_accuracy_drop"]["baseline"] == pytest.approx(0.9, abs=0.1)
        assert found["update_suspected"]["node"] == "client-9"
        assert found["update_suspected"]["evidence"]["norm"] == 9.5
        assert found["client_disconnect_spike"]["current_value"] == 0.6
        assert server.get("/health")["components"]["anomalies"]["status"] == "healthy"


def test_a_collector_that_begins_again_knows_the_rounds_before(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        rounds = [round_of(number, 0.9) for number in range(1, 10)]
        server.send("r-1", [started("r-1", NODES, rounds=20), *rounds])
    with Server(tmp_path) as server:
        server.send("r-1", [round_of(10, 0.1)], first_seq=11)
        (found,) = alerts(server, 1)
        assert found["type"] == "fl_accuracy_drop"
        assert found["round"] == 10


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    with Server(tmp_path, anomalies={"enabled": False}) as server:
        server.send("r-1", [started("r-1", NODES), suspected(1)])
        time.sleep(0.5)
        assert server.get("/api/v1/alerts")["alerts"] == []
        assert "anomalies" not in server.get("/health")["components"]
