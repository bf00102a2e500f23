"""API10:2023: what other services answer is checked as if an attacker had written it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fedsight.door.times import now_ns
from fedsight.signals import Sample, batch
from tests.collector.server import Server
from tests.collector.stub_service import Asked, Said, Script, StubService
from tests.security.fuzzing import RULE, wait_for_alert


@contextmanager
def asking(
    folder: Path, script: Script, kind: str = "application/json"
) -> Iterator[tuple[Server, StubService]]:
    """A collector whose FL server answers as the script says."""
    with (
        StubService(script, kind) as service,
        Server(folder, fl_server_url=service.url, monitors={"fl_server_url": None}) as server,
    ):
        yield server, service


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ((200, b"<script>alert(1)</script>"), "text/html"),
        ((200, b"{}"), "text/html"),
        ((302, {}), "application/json"),
        ((200, b" " * (9 * 2**20)), "application/json"),
        ((401, {}), "application/json"),
        ((403, {}), "application/json"),
    ],
)
def test_what_is_no_answer_of_ours_is_not_passed_on(tmp_path: Path, said: Said, kind: str) -> None:
    with asking(tmp_path, lambda _: said, kind) as (server, _):
        answer = server.http.get("/api/v1/services/fl/status")
        assert answer.status_code == 502
        assert answer.headers["Content-Type"] == "application/json"
        assert "script" not in answer.text
        assert answer.json()["error"]["code"].startswith("service_")


def test_a_service_sets_no_header_of_ours(tmp_path: Path) -> None:
    with asking(tmp_path, lambda _: (200, {"ok": True})) as (server, _):
        answer = server.http.get("/api/v1/services/fl/status")
        assert answer.status_code == 200
        assert "Set-Cookie" not in answer.headers
        assert "Date" not in answer.headers or "BaseHTTP" not in answer.headers.get("Server", "")
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


def test_a_service_that_never_answers_is_given_up(tmp_path: Path) -> None:
    def slow(asked: Asked) -> Said:
        time.sleep(12 if asked.path == "/status" else 0)
        return 200, {}

    with asking(tmp_path, slow) as (server, _):
        began = time.monotonic()
        answer = server.http.get("/api/v1/services/fl/status", timeout=20)
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "service_slow")
        assert time.monotonic() - began < 12
        assert server.http.get("/health").status_code == 200


def test_a_reading_service_is_not_sent_the_token(tmp_path: Path) -> None:
    with asking(tmp_path, lambda _: (200, {})) as (server, service):
        server.http.get("/api/v1/services/fl/status", headers=server.bearer)
        assert service.asked
        assert all("authorization" not in one.headers for one in service.asked)


HOSTILE_STATUS: list[Any] = [
    [],
    "x",
    None,
    {"status": {"a": 1}, "current_round": "many", "connected_clients": -1e400},
    {"rounds": [{"round": 10**30, "accuracy": "NaN"}], "total_rounds": "x"},
    {"events": [{"event_id": -1, "timestamp": "never", "details": "x" * 10_000}]},
]


@pytest.mark.slow
@pytest.mark.parametrize("said", HOSTILE_STATUS, ids=lambda said: str(said)[:20])
def test_a_monitored_service_that_answers_nonsense_harms_nothing(tmp_path: Path, said: Any) -> None:
    body = json.dumps(said).encode()
    monitors = {"interval": 0.1, "deadline": 1.0}
    with StubService(lambda _: (200, body)) as service:
        urls = {
            "fl_server_url": service.url,
            "policy_engine_url": service.url,
            "sdn_controller_url": service.url,
        }
        with Server(tmp_path, monitors=monitors | urls) as server:
            until = time.monotonic() + 20
            while len(service.asked) < 10:
                assert time.monotonic() < until
                time.sleep(0.05)
            assert server.get("/health")["components"]["store"]["status"] == "healthy"
            assert server.get("/api/v1/status")["timestamp"]
            code, said_ = server.end()
    assert code == 0
    assert "Traceback" not in said_


def test_what_a_webhook_answers_is_not_read(tmp_path: Path) -> None:
    endless = b"x" * (20 * 2**20)
    with StubService(lambda _: (200, endless)) as hook:
        alerts = {"webhooks": [{"url": hook.url}], "rules": [RULE], "rule_seconds": 0.2}
        with Server(tmp_path, alerts=alerts) as server:
            server.send("j", [batch([Sample(now_ns(), "queue_depth", 5.0)])])
            wait_for_alert(server.http)
            until = time.monotonic() + 20
            while server.get("/api/v1/alerts/rules")["notifiers"]["waiting"]:
                assert time.monotonic() < until
                time.sleep(0.05)
    assert len(hook.asked) == 1


def samples(name: str, index: int = 0, time: int = 1) -> dict[str, Any]:
    columns = {"index": [index], "time": [time], "value": [1.0], "round": [None]}
    return {"samples": {"series": [{"name": name}], **columns}}


@pytest.mark.parametrize(
    "record",
    [
        samples("a b"),
        samples("a", index=1),
        samples("a", time=-1),
        {"events": [{"time": 1, "source": "s", "kind": "k\u0000", "details": {}}]},
        {"events": [{"time": 10**30, "source": "s", "kind": "k"}]},
        {"spans": [["r", 1, None, "train", 2, 1, True]]},
        {"spans": [["r", 1, None, "steal", 1, 2, True]]},
    ],
)
def test_a_producers_records_are_checked_like_a_strangers(
    server: Server, record: dict[str, Any]
) -> None:
    body = {"journal": "odd", "first_seq": 1, "oldest_seq": 1, "records": [record]}
    answer = server.http.post("/api/v1/ingest", json=body, headers=server.bearer)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid")
