"""A real policy service as a child process, over the default set, with decisions in its trail."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from fedsight.policy import files


class PolicyProcess:
    """Starts over `data`, the data directory that its collector has too. Use as a context."""

    def __init__(self, data: Path, **changes: str) -> None:
        self.data = data
        self.rules = data / "policy"
        if not self.rules.exists():
            files.write(self.rules, {**files.default_texts(), **changes})
        command = [sys.executable, "-m", "fedsight", "serve", "policy"]
        self._process = subprocess.Popen(
            [*command, "--port", "0", "--until-stdin-closes"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "FEDSIGHT_DATA": str(data)},
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("listening on "), f"the policy service did not start: {line!r}"
        self.address = line.removeprefix("listening on ").strip()

    def client(self) -> httpx.Client:
        """An administrator."""
        token = (self.data / "token").read_text().strip()
        shown = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=self.address, headers=shown, trust_env=False, timeout=10)

    def asked(self, trusts: dict[str, float], round_: int = 1) -> list[dict[str, Any]]:
        """Whether clients of such trust may train: the answers."""
        checks = [
            {
                "policy_type": "client_selection",
                "context": {
                    "client_id": name,
                    "trust": trust,
                    "samples": 200,
                    "capabilities": [],
                    "cpu_count": 4,
                    "memory_gb": 8,
                    "run": "r-1",
                    "round": round_,
                },
            }
            for name, trust in trusts.items()
        ]
        with self.client() as http:
            answer = http.post("/api/v1/check/batch", json={"checks": checks})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["decisions"]
        return found

    def stop(self) -> None:
        """End it, and wait for it."""
        self._process.communicate(timeout=20)

    def __enter__(self) -> PolicyProcess:
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop()
