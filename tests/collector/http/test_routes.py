"""Every shape of docs/api.md, from a real server, for a run whose figures are known."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from fedsight.collector.reading import rows
from tests.collector.server import Server
from tests.collector.shipments import (
    SECOND,
    ended,
    failed,
    started,
    trained,
)

RUN = "/api/v1/runs/r-1"
NODES = ["b", "a", "c"]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("data")) as running:
        records = [
            started("r-1", NODES, rounds=3),
            trained("r-1", 1, ["a", "b"], accuracy=0.5),
            failed("r-1", 1, "c", "CLIENT_FAILED", "CUDA out of memory"),
            trained("r-1", 2, ["a", "b", "c"], accuracy=0.75),
            failed("r-1", 2, "c", "UPDATE_REJECTED", "NaN in layer 1"),
            failed("r-1", 3, "d", "CLIENT_SILENT", "no reply within 30 s"),
            ended("r-1", "failed", "too few clients", at=3 * SECOND),
        ]
        running.send("j", records)
        yield running


def test_a_run_is_summed_up(known: Server) -> None:
    run = known.get(RUN)
    assert run == {
        "id": "r-1",
        "task": "digits",
        "strategy": "fedavg",
        "engine": "simulation",
        "state": "failed",
        "reason": "too few clients",
        "round": 2,
        "rounds": 3,
        "nodes": NODES,
        "started": "2026-11-22T09:52:00.000000Z",
        "ended": "2026-11-22T09:52:03.000000Z",
        "last_seen": "2026-11-22T09:52:03.000000Z",
        "seconds": 3.0,
        "accuracy": 0.75,
        "best_accuracy": 0.75,
        "loss": 0.25,
        "payload_down_bytes": 200,
        "payload_up_bytes": 180,
        "model_parameters": 10,
        "failures": 0,
        "silent": None,
        "waiting": None,
        "stalled": None,
        "paused": None,
        "accuracy_trend": [0.5, 0.75],
        "config": {"lr": 1},
    }


def test_runs_are_listed_and_filtered(known: Server) -> None:
    assert [run["id"] for run in known.get("/api/v1/runs")["runs"]] == ["r-1"]
    assert known.get("/api/v1/runs?state=failed&task=digits")["total"] == 1
    assert known.get("/api/v1/runs?state=&task=")["total"] == 1
    assert known.get("/api/v1/runs?state=training") == {"runs": [], "total": 0, "next": None}
    assert known.get("/api/v1/runs?task=mnist")["total"] == 0
    assert known.get("/api/v1/runs?offset=1") == {"runs": [], "total": 1, "next": None}


@pytest.mark.parametrize("cursor", ["x", "1", "~r-1", "1.5~r-1", "9" * 19 + "~r-1"])
def test_a_cursor_that_is_none_is_refused(known: Server, cursor: str) -> None:
    answer = known.http.get("/api/v1/runs", params={"cursor": cursor})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "cursor")


def test_a_round_has_its_figures(known: Server) -> None:
    found = known.get(f"{RUN}/rounds?from_round=2&to_round=2")
    assert found["total"] == 1
    assert found["rounds"][0] == {
        "round": 2,
        "started": "2026-11-22T09:52:01.000000Z",
        "seconds": 1.0,
        "accuracy": 0.75,
        "loss": 0.25,
        "train_loss": 0.25,
        "selected": 3,
        "participants": 3,
        "failures": 0,
        "samples": 30,
        "payload_down_bytes": 100,
        "payload_up_bytes": 90,
    }


def test_clients_come_by_round_then_in_the_runs_own_order(known: Server) -> None:
    found = known.get(f"{RUN}/clients")
    assert found["total"] == 7
    assert [(row["round"], row["node"], row["status"]) for row in found["clients"]] == [
        (1, "b", "trained"),
        (1, "a", "trained"),
        (1, "c", "failed"),
        (2, "b", "trained"),
        (2, "a", "trained"),
        (2, "c", "rejected"),
        (3, "d", "no_reply"),
    ]
    assert [row["reason"] for row in found["clients"] if row["reason"]] == [
        "CUDA out of memory",
        "NaN in layer 1",
        "no reply within 30 s",
    ]


def test_a_clients_figure_that_was_not_measured_is_null(known: Server) -> None:
    (row,) = known.get(f"{RUN}/clients?node=b&to_round=1")["clients"]
    assert (row["train_seconds"], row["samples"], row["train_accuracy"]) == (0.2, 10, 0.5)
    assert (row["upload_seconds"], row["peak_memory_bytes"], row["cpu_seconds"]) == (None,) * 3


def test_columns_hold_what_rows_hold(known: Server) -> None:
    for table in ("rounds", "clients", "spans"):
        listed = known.get(f"{RUN}/{table}")[table]
        page = known.get(f"{RUN}/{table}?layout=columns")
        assert page["count"] == page["total"] == len(listed)
        plain = {}
        for name, column in page["columns"].items():
            if isinstance(column, dict):
                words = column["dictionary"]
                column = [None if at is None else words[at] for at in column["index"]]
            plain[name] = column
        assert [
            dict(zip(plain, row, strict=True)) for row in zip(*plain.values(), strict=True)
        ] == listed


def test_fields_choose_the_columns(known: Server) -> None:
    page = known.get(f"{RUN}/clients?layout=columns&fields=train_seconds,status&limit=2&offset=1")
    assert page == {
        "count": 2,
        "total": 7,
        "columns": {
            "train_seconds": [0.1, None],
            "status": {
                "dictionary": ["trained", "failed", "rejected", "no_reply"],
                "index": [0, 1],
            },
        },
    }


def test_spans_count_from_the_rounds_earliest(known: Server) -> None:
    found = known.get(f"{RUN}/spans?from_round=2")
    assert found["total"] == 4
    first, *_, last = found["spans"]
    assert first == {
        "round": 2,
        "node": "a",
        "phase": "train",
        "start": "2026-11-22T09:52:01.000000Z",
        "offset_seconds": 0.0,
        "seconds": 0.1,
        "ok": True,
    }
    assert (last["node"], last["phase"], last["offset_seconds"]) == (None, "aggregate", 0.999999)


def test_a_page_of_spans_begins_in_the_middle_of_a_round(known: Server) -> None:
    every = known.get(f"{RUN}/spans")["spans"]
    pages = [known.get(f"{RUN}/spans?limit=2&offset={at}")["spans"] for at in range(0, 8, 2)]
    assert [row for page in pages for row in page] == every
    assert known.get(f"{RUN}/spans?limit=2&offset=99") == {"spans": [], "total": len(every)}


def test_events_come_by_id_and_page(known: Server) -> None:
    page = known.get(f"{RUN}/events?limit=3")
    assert [event["kind"] for event in page["events"]] == [
        "RUN_STARTED",
        "ROUND_STARTED",
        "ROUND_COMPLETED",
    ]
    rest = known.get(f"{RUN}/events?after={page['last_id']}&kind=CLIENT_FAILED&round=1")
    (event,) = rest["events"]
    assert (event["node"], event["details"]) == ("c", {"message": "CUDA out of memory"})
    assert known.get(f"{RUN}/events?after=999") == {"events": [], "last_id": 999}
    assert known.get("/api/v1/events?limit=3") == page
    assert known.get("/api/v1/events?kind=CLIENT_FAILED")["events"] == [event]


def test_federated_metrics_are_means_of_what_was_measured(known: Server) -> None:
    found = known.get("/api/v1/fl/metrics")
    assert found["experiment_id"] == "r-1"
    assert found["global_metrics"] == {
        "rounds": [1, 2],
        "global_accuracy": [0.5, 0.75],
        "global_loss": [0.5, 0.25],
        "participants_per_round": [2, 3],
        "round_duration_seconds": [1.0, 1.0],
    }
    assert found["client_metrics"]["a"] == {
        "participation_rate": 1.0,
        "avg_local_accuracy": 0.5,
        "avg_training_time": 0.1,
        "data_contribution": 10,
    }
    assert found["client_metrics"]["c"]["participation_rate"] == 0.0
    assert found["convergence_slope"] is None  # two rounds make no trend


def test_federated_metrics_of_a_time_range(known: Server) -> None:
    found = known.get("/api/v1/fl/metrics?from=2026-11-22T09:52:00.5Z&to=2026-11-22T10:00:00Z")
    assert found["global_metrics"]["rounds"] == [2]
    assert found["timerange"]["from"] == found["timerange"]["to"] == "2026-11-22T09:52:01.000000Z"


def test_health_names_what_was_reached(known: Server) -> None:
    found = msgspec.convert(known.get("/health"), rows.Health)
    assert (found.status, found.service) == ("healthy", "fedsight-collector")
    assert found.store_id == (known.data / "store-id").read_text().strip()
    ours = {"store", "stream", "journals"}
    services = {"fl_server", "policy_engine", "sdn_controller"}
    assert ours | services <= set(found.components)
    assert {found.components[name].status for name in ours} == {"healthy"}
    assert {found.components[name].status for name in services} == {"unknown"}


def test_status_says_unknown_of_what_was_never_seen(known: Server) -> None:
    found = known.get("/api/v1/status")
    assert found["components"]["fl_server"]["status"] == "failed"
    assert found["components"]["policy_engine"] == {
        "status": "unknown",
        "active_policies": None,
        "events_per_minute": None,
        "last_update": None,
    }
    assert found["signals"] == {"runs": 1, "events": 9, "samples": 35, "spans": 7}


def test_an_empty_store_invents_nothing(server: Server) -> None:
    assert server.get("/api/v1/runs") == {"runs": [], "total": 0, "next": None}
    assert server.get("/api/v1/fl/metrics")["experiment_id"] is None
    assert server.get("/api/v1/status")["components"]["fl_server"] == {
        "status": "unknown",
        "current_round": None,
        "active_clients": None,
        "last_update": None,
    }
