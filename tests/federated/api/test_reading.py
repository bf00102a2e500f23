"""Rounds, events, clients, summary and metrics of a run, as they are read over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fedsight.door.times import parse_rfc3339
from fedsight.federated.api.events import EventLog
from fedsight.federated.api.scripted import Scripted
from tests.door.test_exposition import read
from tests.federated.api.asked import Asked, asked

ACCURACIES = (0.5, None, 0.75, 0.625)


@pytest.fixture
def trained(tmp_path: Path) -> Any:
    """A server whose run of four rounds is over; one of its three nodes failed each time."""
    script = Scripted(ACCURACIES, nodes=3, failing=frozenset({"client-2"}))
    with asked(tmp_path, script) as fl:
        fl.train(4)
        yield fl


def numbers(fl: Asked, **query: Any) -> list[int]:
    return [one["round"] for one in fl.get("/rounds", params=query)["rounds"]]


def test_a_round_is_told_as_it_was_measured(trained: Asked) -> None:
    page = trained.get("/rounds")
    row = page["rounds"][0]
    assert parse_rfc3339(row.pop("timestamp")) > 0
    assert row == {
        "round": 1,
        "status": "completed",
        "accuracy": 0.5,
        "loss": 0.5,
        "training_duration": 2.0,
        "model_size_mb": 0.001,
        "clients": 2,
    }
    assert (page["total_rounds"], page["returned_rounds"], page["latest_round"]) == (4, 4, 4)


def test_rounds_are_filtered_and_paged(trained: Asked) -> None:
    assert numbers(trained) == [1, 2, 3, 4]
    assert numbers(trained, start_round=2, end_round=3) == [2, 3]
    assert numbers(trained, min_accuracy=0.6) == [3, 4]
    assert numbers(trained, min_accuracy=0.5, max_accuracy=0.625) == [1, 4]
    assert numbers(trained, limit=2, offset=1) == [2, 3]
    page = trained.get("/rounds", params={"limit": 3, "min_accuracy": 0})
    assert page["pagination"] == {"limit": 3, "offset": 0, "has_more": False}
    assert (page["total_rounds"], page["latest_round"]) == (3, 4)
    assert trained.get("/rounds?limit=3")["pagination"]["has_more"] is True


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("offset=-1", "offset"),
        ("min_accuracy=2", "min_accuracy"),
        ("start_round=3&end_round=2", "start_round"),
        ("from=3", "from"),
        ("limit=1&limit=2", "limit"),
    ],
)
def test_a_wrong_parameter_is_named(fl: Asked, query: str, field: str) -> None:
    assert fl.get(f"/rounds?{query}", 422)["error"]["field"] == field


def test_a_round_without_any_update_has_failed(tmp_path: Path) -> None:
    with asked(tmp_path, Scripted((0.5,), failing=frozenset({"client-0", "client-1"}))) as fl:
        fl.train(1)
        (row,) = fl.get("/rounds")["rounds"]
        assert (row["status"], row["clients"]) == ("failed", 0)
        page = read(fl.http.get("/metrics").text)
        assert page["fl_rounds_failed_total", None] == 1
        assert page["fl_rounds_completed_total", None] == 0


def test_events_of_a_round_come_in_their_order_with_ids_to_ask_after(trained: Asked) -> None:
    events = trained.get("/events?limit=8")["events"]
    assert [one["event_type"] for one in events] == [
        "SERVER_START",
        "TRAINING_STARTED",
        "ROUND_STARTED",
        "AGGREGATION_COMPLETED",
        "EVALUATION_COMPLETED",
        "CLIENT_FAILED",
        "ROUND_COMPLETED",
        "ROUND_STARTED",
    ]
    ids = [one["event_id"] for one in events]
    assert ids == list(range(ids[0], ids[0] + 8))
    failed, completed = events[5], events[6]
    assert (failed["client_id"], failed["details"]) == ("client-2", {"message": "out of memory"})
    assert completed["details"] == {"accuracy": 0.5, "loss": 0.5, "seconds": 2.0, "clients": 2}
    assert (completed["source_component"], completed["round"]) == ("fl-server", 1)
    assert events[4]["details"] == {"seconds": 0.5, "accuracy": 0.5, "loss": 0.5}


def test_a_reader_that_asks_on_misses_nothing(trained: Asked) -> None:
    whole = trained.get("/events?limit=1000")
    found, last = list[Any](), 0
    while page := trained.get("/events", params={"since_event_id": last, "limit": 3})["events"]:
        found += page
        last = page[-1]["event_id"]
    assert found == whole["events"]
    assert trained.get(f"/events?since_event_id={last}") == {"events": [], "last_event_id": last}


def test_ids_grow_across_a_restart_and_old_events_are_let_go() -> None:
    first = EventLog()
    first.say("SERVER_START")
    assert EventLog().last_id >= first.last_id
    small = EventLog(10)
    for _ in range(10_005):
        small.say("SERVER_START")
    assert [one.id for one in small.since(0, 2)] == [15, 16]
    assert [one.id for one in small.since(10_013, 9)] == [10_014]


def test_clients_are_nodes_with_what_they_did(trained: Asked) -> None:
    page = trained.get("/clients")
    assert page["total"] == 3
    good, bad = page["clients"][0], page["clients"][2]
    assert (good["client_id"], good["kind"], good["partition"]) == ("client-0", "simulated", 0)
    assert (good["rounds"], good["failures"], good["last_round"]) == (4, 0, 4)
    assert (good["last_loss"], good["last_accuracy"], good["last_seconds"]) == (0.25, 0.5, 0.125)
    assert (good["last_status"], good["samples"], good["online"]) == ("trained", 100, True)
    assert (bad["rounds"], bad["failures"], bad["last_status"]) == (0, 4, "failed")
    assert bad["last_loss"] is None
    assert trained.get("/clients/client-0") == good
    assert trained.get(f"/clients/{good['node_id']}") == good
    assert [one["client_id"] for one in trained.get("/clients?limit=1&offset=1")["clients"]] == [
        "client-1"
    ]
    assert trained.get("/clients/nobody", 404)["error"]["message"] == "there is no client 'nobody'"


def test_the_summary_adds_up(trained: Asked) -> None:
    found = trained.get("/summary")
    moves = found.pop("convergence_metrics")
    assert found == {
        "total_rounds": 4,
        "latest_accuracy": 0.625,
        "latest_loss": 0.375,
        "total_participants": 2,
        "average_round_time": 2.0,
        # 0.125 gained with three rounds of 3 kB down and 2 kB up.
        "communication_efficiency": pytest.approx(0.125 / 0.015),
    }
    assert moves["accuracy_trend"] == pytest.approx(0.625)
    assert moves["loss_trend"] == pytest.approx(-0.625)
    assert moves["convergence_rate"] == pytest.approx(0.25)
    assert moves["stability"] is None


def test_before_any_run_a_summary_is_empty_and_not_zero(fl: Asked) -> None:
    assert fl.get("/summary") == {
        "total_rounds": 0,
        "latest_accuracy": None,
        "latest_loss": None,
        "total_participants": 0,
        "average_round_time": None,
        "communication_efficiency": None,
        "convergence_metrics": {
            "accuracy_trend": None,
            "loss_trend": None,
            "convergence_rate": None,
            "stability": None,
        },
    }


def test_metrics_are_prometheus_text_by_default(trained: Asked) -> None:
    answer = trained.http.get("/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    page = read(answer.text)
    assert page["fl_rounds_completed_total", None] == 4
    assert page["fl_accuracy", None] == 0.625
    assert page["fl_best_accuracy", None] == 0.75
    assert (page["fl_active_clients", None], page["fl_total_clients", None]) == (2, 3)
    assert (page["fl_model_parameters", None], page["fl_samples_per_round", None]) == (10, 200)
    assert (page["fl_train_loss", None], page["fl_eval_loss", None]) == (0.25, 0.375)
    assert page["fl_round_duration_seconds_bucket", "1"] == 0
    assert page["fl_round_duration_seconds_bucket", "2.5"] == 4
    assert page["fl_round_duration_seconds_sum", None] == 8


def test_metrics_are_json_to_who_asks_for_it(trained: Asked) -> None:
    expected = {
        "accuracy": list(ACCURACIES),
        "loss": [0.5, None, 0.25, 0.375],
        "rounds": 4,
        "participants_per_round": [2, 2, 2, 2],
        "convergence_rate": pytest.approx(0.25),
    }
    assert trained.get("/metrics", headers={"Accept": "application/json"}) == expected
    assert trained.get("/metrics.json") == expected


def test_counters_outlast_a_run_and_gauges_do_not(trained: Asked) -> None:
    trained.post("/start", {"training_config": {"max_rounds": 3}})
    page = read(trained.http.get("/metrics").text)
    assert page["fl_rounds_completed_total", None] == 4
    assert ("fl_accuracy", None) not in page
