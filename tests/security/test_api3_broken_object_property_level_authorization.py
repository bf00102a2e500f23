"""API3:2023: a request sets what it may set and nothing else; an answer holds no secret."""

from __future__ import annotations

from typing import Any

import pytest

from fedsight.door.endpoint import Endpoint
from fedsight.door.times import now_ns, rfc3339
from tests.collector.server import Server
from tests.federated.api.asked import BEARER, Asked
from tests.security.conftest import SECRETS
from tests.security.routes import OF_COLLECTOR, changes, named, path_of, reads

SOON = rfc3339(now_ns() + 3600 * 10**9)
MATCHER = {"label": "run", "value": "r"}
WITH_BODY = [one for one in changes(OF_COLLECTOR) if one.body is not None and one.method == "POST"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/silences", {"matchers": [MATCHER], "ends": SOON, "id": 7}),
        ("/api/v1/silences", {"matchers": [{**MATCHER, "any": True}], "ends": SOON}),
        ("/api/v1/alerts/1/acknowledge", {"by": "ann", "state": "resolved"}),
        ("/api/v1/alerts/1/acknowledge", {"by": "ann", "at": SOON}),
        ("/api/v1/export", {"path": "/tmp/x"}),
        ("/api/v1/export", {"export_id": "0" * 32}),
    ],
)
def test_a_property_that_is_not_ones_to_set_is_refused(
    server: Server, path: str, body: dict[str, Any]
) -> None:
    answer = server.http.post(path, json=body, headers=server.bearer)
    assert answer.status_code in (404, 422), answer.text
    if path != "/api/v1/alerts/1/acknowledge":
        assert answer.status_code == 422


def test_a_shipments_event_cannot_set_what_the_collector_works_out(server: Server) -> None:
    before = server.get("/api/v1/runs/r-1")
    event = {"time": 1, "source": "federated", "kind": "RUN_ENDED", "run": "r-1"}
    body = {
        "journal": "thief",
        "first_seq": 1,
        "oldest_seq": 1,
        "records": [{"events": [{**event, "details": {"state": "won"}}]}],
    }
    answer = server.http.post("/api/v1/ingest", json=body, headers=server.bearer)
    assert answer.status_code == 422
    assert server.get("/api/v1/runs/r-1")["best_accuracy"] == before["best_accuracy"]
    assert server.get("/api/v1/runs/r-1")["state"] == "finished"


@pytest.mark.parametrize("endpoint", WITH_BODY, ids=named)
def test_bodies_say_in_the_document_what_they_may_hold(server: Server, endpoint: Endpoint) -> None:
    document = server.get("/openapi.json")
    operation = document["paths"][endpoint.path][endpoint.method.lower()]
    assert operation["requestBody"]["content"]


def test_no_answer_holds_a_secret_of_the_settings(server: Server) -> None:
    asked = [path_of(one) for one in reads(OF_COLLECTOR)] + ["/openapi.json", "/"]
    for path in asked:
        text = server.http.get(path, headers=server.bearer).text
        for secret in (server.token, *SECRETS.values(), "WEBHOOK-SECRET"):
            assert secret not in text, path


def test_the_fl_server_takes_no_property_that_there_is_not(fl: Asked) -> None:
    for body in ({"training_config": {"max_rounds": 1, "odd": 1}}, {"task": "os:system"}):
        answer = fl.http.post("/start", json=body, headers=BEARER)
        assert answer.status_code == 422, answer.text
    assert fl.get("/status")["status"] == "idle"
