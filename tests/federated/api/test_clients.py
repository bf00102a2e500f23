"""Registration: what a client says of itself, checked, bounded, and beside what is known of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedsight.door.refusal import RefusedError
from fedsight.federated.api.clients import Capabilities, Registration, Registry, listed
from fedsight.federated.api.runs import STALE_SECONDS
from fedsight.federated.api.scripted import Scripted
from fedsight.federated.fleet import NodeView
from tests.federated.api.asked import Asked, asked

WHOLE = {
    "client_id": "client-0",
    "ip_address": "10.0.0.7",
    "capabilities": {
        "model_types": ["cnn", "mlp"],
        "compute_power": 3.5,
        "data_samples": 1200,
        "memory_gb": 8,
        "network_bandwidth": 100,
    },
}


def test_a_client_may_register_before_any_run(fl: Asked) -> None:
    client = fl.post("/register", WHOLE, 200)
    assert (client["registered"], client["ip_address"]) == (True, "10.0.0.7")
    assert (client["online"], client["node_id"], client["kind"]) == (None, None, "unknown")
    assert client["capabilities"] == WHOLE["capabilities"]
    assert client["properties"] == {
        "data_samples": 1200,
        "memory_gb": 8,
        "bandwidth_mbps": 100,
        "compute_power": 3.5,
        "model_types": "cnn,mlp",
    }
    assert fl.get("/clients") == {"clients": [client], "total": 1}
    last = fl.get("/events")["events"][-1]
    assert (last["event_type"], last["client_id"]) == ("CLIENT_REGISTERED", "client-0")


def test_a_registration_belongs_to_the_node_of_that_name(fl: Asked) -> None:
    fl.post("/register", WHOLE, 200)
    fl.train(1)
    page = fl.get("/clients")
    assert page["total"] == 2
    client = page["clients"][0]
    assert (client["client_id"], client["registered"], client["rounds"]) == ("client-0", True, 1)
    assert (client["kind"], client["online"]) == ("simulated", True)


def test_the_latest_registration_counts(fl: Asked) -> None:
    fl.post("/register", WHOLE, 200)
    client = fl.post("/register", {"client_id": "client-0"}, 200)
    assert (client["ip_address"], client["capabilities"], client["properties"]) == (None, None, {})
    assert fl.get("/clients")["total"] == 1


def test_what_the_grid_knows_outweighs_what_was_said() -> None:
    view = NodeView(7, "edge", 0, "warm", properties={"memory_gb": 2.0})
    capable = Capabilities(memory_gb=64.0, compute_power=1.0)
    said = {"7": Registration("7", capabilities=capable)}
    (client,) = listed([view], [], {}, said)
    assert (client.registered, client.node_id) == (True, "7")
    assert client.properties == {"memory_gb": 2.0, "compute_power": 1.0}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"client_id": ""}, "client_id"),
        ({"client_id": "x" * 129}, "client_id"),
        ({"client_id": "a/b"}, "client_id"),
        ({"client_id": "a\nb"}, "client_id"),
        ({"ip_address": "10.0.0.300"}, "ip_address"),
        ({"ip_address": 7}, "ip_address"),
        ({"capabilities": {"memory_gb": -1}}, "capabilities.memory_gb"),
        ({"capabilities": {"memory_gb": "8"}}, "capabilities.memory_gb"),
        ({"capabilities": {"data_samples": 1.5}}, "capabilities.data_samples"),
        ({"capabilities": {"model_types": ["x"] * 33}}, "capabilities.model_types"),
        ({"capabilities": {"gpu": 1}}, "capabilities.gpu"),
        ({"role": "server"}, "role"),
    ],
)
def test_a_wrong_value_is_named(fl: Asked, change: dict[str, Any], field: str) -> None:
    assert fl.error("/register", WHOLE | change, 422)["field"] == field
    assert fl.get("/clients")["total"] == 0


def test_there_is_an_end_to_how_many_may_register() -> None:
    registry = Registry(2)
    for name in ("a", "b", "b"):
        registry.add(Registration(name))
    with pytest.raises(RefusedError, match="2 clients are registered, and no more"):
        registry.add(Registration("c"))
    assert set(registry.all()) == {"a", "b"}


def test_nodes_that_nobody_looked_at_for_a_while_are_neither_there_nor_gone(
    tmp_path: Path,
) -> None:
    with asked(tmp_path, Scripted(kind="warm")) as fl:
        fl.train(1)
        current = fl.server.runner.current
        assert current is not None
        assert current.seen is not None
        assert fl.get("/status")["connected_clients"] == 2
        current.seen = replace(current.seen, at=current.seen.at - STALE_SECONDS - 1)
        assert {one["online"] for one in fl.get("/clients")["clients"]} == {None}
        now = fl.get("/status")
        assert (now["clients"], now["connected_clients"]) == (2, None)
