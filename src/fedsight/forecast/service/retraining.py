"""Asks the FL server to train again: one `POST /start`, with the token, at most every so often."""

from __future__ import annotations

import json
from typing import Protocol
from urllib.parse import urlsplit

import httpx

from fedsight.door.hosts import is_loopback
from fedsight.door.listener import strangers
from fedsight.errors import FedsightError

SECONDS = 10.0
TASK = "telemetry"
#: After an attempt that failed, the next comes so many seconds later.
AGAIN_SECONDS = 600.0


class RetrainError(FedsightError):
    """Training could not be begun; the message says why, and what to do."""


class Trainer(Protocol):
    """What can begin to train."""

    def begin(self) -> str:
        """The id of the run that was begun. Raises RetrainError."""
        ...


class FlServer:
    """The FL server at `url`, which knows the token of this data directory."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url.rstrip("/")
        self._token = token

    def begin(self) -> str:
        """As `Trainer.begin`."""
        self._check_listener()
        body = {"training_config": {"task": TASK}}
        try:
            reply = httpx.post(
                f"{self._url}/start",
                json=body,
                headers={"Authorization": f"Bearer {self._token}"},
                timeout=SECONDS,
                trust_env=False,
            )
        except httpx.HTTPError as error:
            raise RetrainError(
                f"no FL server answers at {self._url}: {error or type(error).__name__};"
                f" `fedsight serve federation --task {TASK}` starts one"
            ) from error
        return self._run(reply)

    def _check_listener(self) -> None:
        """The token is not shown to another user's program."""
        place = urlsplit(self._url)
        port = place.port or (443 if place.scheme == "https" else 80)
        if is_loopback(place.hostname or "") and strangers(port):
            raise RetrainError(f"port {port} is held by another user's program")

    def _run(self, reply: httpx.Response) -> str:
        try:
            answer = reply.json()
            if reply.status_code == 202:
                return str(answer["run"])
            said = str(answer["error"]["message"])
        except (json.JSONDecodeError, KeyError, TypeError):
            said = "something else than an FL server"
        raise RetrainError(f"{self._url} answered {reply.status_code}: {said[:300]}")


class ScriptedTrainer:
    """A trainer for tests: `failure`, while set, is what it raises."""

    def __init__(self) -> None:
        self.begun = 0
        self.failure: RetrainError | None = None

    def begin(self) -> str:
        """As `Trainer.begin`."""
        if self.failure is not None:
            raise self.failure
        self.begun += 1
        return f"r-{self.begun:08d}"
