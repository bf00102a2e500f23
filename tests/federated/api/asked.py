"""An FL server in this process whose runs follow a script, and a client that has its token."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp

from fedsight.door.serving import listening, url_of
from fedsight.federated.api.application import create_app
from fedsight.federated.api.options import FederationOptions
from fedsight.federated.api.scripted import Scripted
from fedsight.federated.api.server import Server
from fedsight.federated.plan import Plan

TOKEN = "the-token"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
PATIENCE = 10.0


@dataclass
class Asked:
    """A server, its script, and answers to requests that bear the token."""

    server: Server
    script: Scripted
    http: httpx.Client

    def get(self, path: str, status: int = 200, **named: Any) -> Any:
        """The JSON of an answer."""
        answer = self.http.get(path, **named)
        assert answer.status_code == status, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None, status: int = 202) -> Any:
        """The JSON of an answer to a change."""
        answer = self.http.post(path, json={} if body is None else body, headers=BEARER)
        assert answer.status_code == status, answer.text
        return answer.json()

    def error(self, path: str, body: Any, status: int) -> dict[str, Any]:
        """The error that a change is refused with."""
        found: dict[str, Any] = self.post(path, body, status)["error"]
        return found

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first status that is as wanted."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found: dict[str, Any] = self.get("/status")
            if wanted(found):
                return found
            time.sleep(0.005)
        raise AssertionError(f"still {found}")

    def train(self, rounds: int = 2, of: int | None = None) -> str:
        """Start a run of `of` rounds and let so many of them end; returns its id."""
        run: str = self.post("/start", {"training_config": {"max_rounds": of or rounds}})["run"]
        self.script.let(rounds)
        self.until(lambda now: now["run"] == run and now["rounds"] == rounds)
        if of is None:
            self.until(lambda now: not now["training_active"])
        return run


@contextmanager
def asked(data: Path, script: Scripted | None = None, **options: Any) -> Iterator[Asked]:
    """The server, until the end of the context."""
    script = script or Scripted()
    plan = options.pop("plan", Plan(task="digits", nodes=2))
    server = Server.of(FederationOptions(data, plan=plan, **options), script)
    with (
        listened(create_app(server, TOKEN)) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE) as http,
    ):
        yield Asked(server, script, http)


@contextmanager
def listened(app: ASGIApp) -> Iterator[str]:
    """Serve `app` from a thread at the address that is given."""
    with listening("127.0.0.1", 0) as listener:
        config = uvicorn.Config(app, lifespan="on", ws="none", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the application did not begin"
                time.sleep(0.005)
            yield url_of("127.0.0.1", listener)
        finally:
            server.should_exit = True
            thread.join()
