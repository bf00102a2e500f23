"""A policy service of a test, over real HTTP on a free port, and its callers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from fedsight.door.bounded import Bounded
from fedsight.door.serving import listening
from fedsight.door.token import token_of
from fedsight.policy.files import default_texts
from fedsight.policy.service.application import create_app
from fedsight.policy.service.callers import digest
from fedsight.policy.service.options import PolicyOptions
from fedsight.policy.service.serving import Serving

GOOD: Mapping[str, Any] = {
    "client_id": "hospital-a",
    "trust_score": 0.9,
    "samples": 500,
    "capabilities": ["gpu"],
    "cpu_count": 4,
    "memory_gb": 8,
}


class Served:
    """The service of a data directory, from its start to `close`."""

    def __init__(self, data: Path, **changes: Any) -> None:
        self.data = data
        self.rules = data / "policy"
        if not self.rules.exists():
            write_set(self.rules)
        tokens = data / "policy-tokens.toml"
        options = PolicyOptions(
            data, self.rules, tokens, port=0, **{"look_seconds": 0.05} | changes
        )
        self.token = token_of(data)
        self.service = Serving(options, self.token)
        self._listener = listening("127.0.0.1", 0)
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        ready = threading.Event()
        app = create_app(self.service, on_ready=ready.set)
        self._server = uvicorn.Server(
            uvicorn.Config(app, http=Bounded, ws="none", log_config=None, lifespan="on")
        )
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert ready.wait(10)

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._listener]))

    def client(self, token: str | None = "") -> httpx.Client:
        """A caller with a token; the data directory's, or None for none."""
        shown = self.token if token == "" else token
        headers = {} if shown is None else {"Authorization": f"Bearer {shown}"}
        return httpx.Client(base_url=self.address, headers=headers, trust_env=False, timeout=10)

    def close(self) -> None:
        """End it."""
        self._server.should_exit = True
        self._thread.join(10)
        self._listener.close()


def write_set(folder: Path, **files: str) -> None:
    """The default set, with other or more rule files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files_of(**files).items():
        (folder / name).write_text(text)


def files_of(**files: str) -> dict[str, str]:
    """Its texts."""
    return {**default_texts(), **{f"{name}.cedar": text for name, text in files.items()}}


def write_tokens(data: Path, *lines: tuple[str, str, str]) -> None:
    """Tokens as (name, role, token); `expires` may stand behind the role."""
    parts = [
        f'[[token]]\nname = "{name}"\nroles = ["{role.split()[0]}"]\n'
        f'sha256 = "{digest(token)}"\n{" ".join(role.split()[1:])}\n'
        for name, role, token in lines
    ]
    data.mkdir(exist_ok=True)
    (data / "policy-tokens.toml").write_text("\n".join(parts))
