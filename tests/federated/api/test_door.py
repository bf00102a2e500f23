"""Who may ask the FL server for what, and what it says it can be asked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fedsight.federated.api.application import document
from fedsight.federated.api.endpoints import ENDPOINTS
from fedsight.federated.plan import Plan
from tests.federated.api.asked import BEARER, Asked, asked

JSON = {"Content-Type": "application/json"}
POSTS = [one.path for one in ENDPOINTS if one.method != "GET"]


@pytest.mark.parametrize("path", POSTS)
def test_every_change_needs_the_token(fl: Asked, path: str) -> None:
    where = path.replace("{run}", "r-1").replace("{round}", "1")
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        answer = fl.http.post(where, json={}, headers=headers)
        assert answer.status_code in (401, 429)
    assert fl.get("/status")["status"] == "idle"


def test_reads_on_loopback_need_none(fl: Asked) -> None:
    paths = [one.path for one in ENDPOINTS if one.method == "GET" and "{" not in one.path]
    for path in paths:
        query = "?a=latest&b=latest" if path.endswith("compare") else ""
        assert fl.http.get(path + query).status_code in (200, 404), path


def test_a_foreign_host_or_page_is_refused(fl: Asked) -> None:
    answer = fl.http.get("/status", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "host")
    answer = fl.http.post("/start", json={}, headers={**BEARER, "Origin": "https://evil.example"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin")


def test_beyond_loopback_every_request_needs_the_token(tmp_path: Path) -> None:
    with asked(tmp_path, host="0.0.0.0", hosts=("lab.example",)) as fl:
        through = {"Host": "lab.example"}
        for path in ("/", "/health", "/status", "/metrics", "/openapi.json"):
            assert fl.http.get(path, headers=through).status_code in (401, 429)
        assert fl.http.get("/status", headers={**through, **BEARER}).status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "json"),
        (b"\xff", 400, "json"),
        (b"[" * 50_000, 422, "invalid"),
        (b"[]", 422, "invalid"),
        (b" " * 70_000, 413, "too_large"),
    ],
)
def test_a_body_that_is_none_is_refused(fl: Asked, body: bytes, status: int, code: str) -> None:
    answer = fl.http.post("/start", content=body, headers={**BEARER, **JSON})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_only_json_is_taken(fl: Asked) -> None:
    answer = fl.http.post("/stop", content=b"", headers=BEARER)
    assert (answer.status_code, answer.json()["error"]["field"]) == (415, "Content-Type")


def test_an_empty_body_asks_for_the_defaults(fl: Asked) -> None:
    answer = fl.http.post("/start", content=b"", headers={**BEARER, **JSON})
    assert answer.status_code == 202


def test_unknown_paths_and_methods_have_the_shape_of_every_error(fl: Asked) -> None:
    assert fl.get("/nowhere", 404)["error"]["code"] == "not_found"
    answer = fl.http.put("/start", json={}, headers=BEARER)
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")


def test_no_answer_is_stored_by_a_cache(fl: Asked) -> None:
    assert fl.http.get("/status").headers["Cache-Control"] == "no-store"


def test_who_answers_and_how_it_is(fl: Asked) -> None:
    assert fl.get("/")["name"] == "fedsight-federation"
    health = fl.get("/health")
    assert (health["status"], health["service"]) == ("healthy", "fedsight-federation")
    assert health["store_id"] is None
    (fl.server.options.data / "store-id").write_text("abc\n")
    assert fl.get("/health")["store_id"] == "abc"


def test_the_document_has_every_route_with_its_types(fl: Asked) -> None:
    found: dict[str, Any] = fl.get("/openapi.json")
    assert found == msgspec.json.decode(document())
    for endpoint in ENDPOINTS:
        operation = found["paths"][endpoint.path][endpoint.method.lower()]
        assert operation["summary"]
        assert str(endpoint.status) in operation["responses"]
        assert ("security" in operation) == (endpoint.method != "GET")
    schemas = found["components"]["schemas"]
    for name in set(re.findall(r"#/components/schemas/(\w+)", document().decode())):
        assert name in schemas
    ids = [one["operationId"] for path in found["paths"].values() for one in path.values()]
    assert len(ids) == len(set(ids))
    start = schemas["StartRequest"]["properties"]
    assert set(start) >= {"training_config", "model_config", "privacy_config", "network_config"}


def test_the_plan_of_the_server_is_what_a_bare_start_runs(tmp_path: Path) -> None:
    with asked(tmp_path, plan=Plan(task="mnist", nodes=3, rounds=9)) as fl:
        fl.post("/start")
        now = fl.get("/status")
        assert (now["task"], now["max_rounds"]) == ("mnist", 9)
