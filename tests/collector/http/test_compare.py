"""`GET /api/v1/compare` over a real collector."""

from __future__ import annotations

from tests.collector.server import Server
from tests.collector.shipments import whole_run


def test_runs_come_side_by_side_in_the_order_asked_for(server: Server) -> None:
    for run in ("c-1", "c-2"):
        server.send(run, whole_run(run, ["a"]))
    found = server.get("/api/v1/compare?runs=c-2,c-1,c-2")
    assert [run["id"] for run in found["runs"]] == ["c-2", "c-1"]
    assert found["differences"] == []
    assert (found["same"]["lr"], found["same"]["task"]) == (1, "digits")
    assert found["figures"][0] == {
        "name": "accuracy",
        "better": "higher",
        "values": [0.5, 0.5],
        "deltas": [0.0, 0.0],
    }


def test_too_few_runs_and_a_run_that_is_not_there_are_named(server: Server) -> None:
    few = server.http.get("/api/v1/compare?runs=c-1")
    assert (few.status_code, few.json()["error"]["field"]) == (422, "runs")
    many = server.http.get("/api/v1/compare", params={"runs": ",".join(map(str, range(51)))})
    assert many.status_code == 422
    gone = server.http.get("/api/v1/compare?runs=no-1,no-2")
    assert gone.status_code == 404
    assert "'no-1'" in gone.json()["error"]["message"]
