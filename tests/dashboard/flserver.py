"""A stand-in for the FL server, over real HTTP, that answers in the shapes of docs/api.md."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.collector.stub_service import Asked, Said, StubService


def model(run: str, number: int, tags: list[str]) -> dict[str, Any]:
    """One version; a later one is better and larger."""
    return {
        "version": f"{run}/{number}",
        "run": run,
        "round": number,
        "parent": f"{run}/{number - 1}" if number > 1 else None,
        "task": "mnist",
        "created": "2026-11-22T09:52:00.000000Z",
        "metrics": {"accuracy": number / 20, "loss": 1 - number / 20},
        "size": 228_000 + number,
        "sha256": "5e" * 32,
        "tags": tags,
    }


class FlServer:
    """One run, which can be paused, resumed, stopped and restarted, and its models."""

    def __init__(self, run: str, names: list[str]) -> None:
        self.run = run
        self.names = names
        self.state = "training"
        self.waiting: list[str] = []
        self.message = "training on 18 nodes"
        self.production = [f"{run}/3"]
        self.tags: dict[str, str] = {"baseline": f"{run}/2"}
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.service = StubService(self._answer)

    def _answer(self, asked: Asked) -> Said:
        place = urlsplit(asked.path)
        query = {name: values[0] for name, values in parse_qs(place.query).items()}
        if asked.method == "POST":
            return self._do(place.path, json.loads(asked.body))
        found = {
            "/": {"name": "fedsight-federation", "version": "0.1.0"},
            "/status": self._status(),
            "/clients": {"clients": [self._client(n) for n in self.names], "total": 24},
            "/models": self._models(),
        }.get(place.path)
        if place.path == "/models/compare":
            found = self._compare(query["a"], query["b"])
        return (404, self._error("not_found", place.path)) if found is None else (200, found)

    def _status(self) -> dict[str, Any]:
        active = self.state not in ("idle", "stopped", "finished")
        return {
            "status": self.state,
            "run": self.run,
            "rounds": 12,
            "current_round": 13,
            "max_rounds": 20,
            "clients": len(self.names),
            "connected_clients": len(self.names) - 1,
            "training_active": active,
            "training_paused": self.state == "paused",
            "pause_reason": None,
            "stop_reason": None,
            "waiting_for": self.waiting if active else [],
            "message": self.message,
            "stalled": None,
            "since": None,
            "deadline": None,
            "next_run": None,
        }

    def _client(self, name: str) -> dict[str, Any]:
        number = self.names.index(name)
        return {
            "client_id": name,
            "kind": "stock" if number % 4 == 3 else "warm",
            "partition": number,
            "online": number != 7,
            "last_seen_seconds": 95.0 if number == 7 else 0.04,
            "tags": ["gpu"] if number == 1 else [],
            "properties": {"cpu_count": 4, "memory_gb": 8.0},
        }

    def _models(self) -> dict[str, Any]:
        owners: dict[str, list[str]] = {}
        for tag, version in {**self.tags, "production": self.production[-1]}.items():
            owners.setdefault(version, []).append(tag)
        numbers = range(6, 0, -1)
        listed = [model(self.run, n, owners.get(f"{self.run}/{n}", [])) for n in numbers]
        damaged = [{"version": f"{self.run}/5", "reason": "its SHA-256 is another"}]
        return {"models": listed, "total": 6, "damaged": damaged, "production": self.production[-1]}

    def _compare(self, a: str, b: str) -> dict[str, Any]:
        one, other = int(a.split("/")[1]), int(b.split("/")[1])
        step = (other - one) / 20
        figures = {"accuracy_diff": step, "loss_diff": -step, "size_diff": other - one}
        return {"a": a, "b": b, **figures, "round_diff": other - one}

    def _do(self, path: str, body: dict[str, Any]) -> Said:
        self.told.append((path, body))
        after = {"/pause": "paused", "/resume": "training", "/stop": "stopped"}
        if path in after:
            self.state = after[path]
            return 202, {"run": self.run, "status": self.state, "message": f"{path[1:]} it is"}
        if path == "/restart":
            return 409, self._error("conflict", "nothing to begin anew")
        if path == "/models/rollback" and len(self.production) < 2:
            return 409, self._error("conflict", "there is nothing to go back to")
        before = self.production[-1]
        if path == "/models/rollback":
            self.production.pop()
        elif path.endswith("/promote"):
            self.production.append(path.removeprefix("/models/").removesuffix("/promote"))
        else:
            self.tags[body["tag"]] = path.removeprefix("/models/").removesuffix("/tag")
            return 200, {"version": self.tags[body["tag"]], "tag": body["tag"], "before": None}
        return 200, {"version": self.production[-1], "tag": "production", "before": before}

    def _error(self, code: str, message: str) -> dict[str, Any]:
        return {"error": {"code": code, "message": message}}
