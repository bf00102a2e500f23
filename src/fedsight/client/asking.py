"""Requests to a collector, and what it refuses as a sentence that says what to do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import httpx
import msgspec
from msgspec import Struct

from fedsight.errors import FedsightError

Answer = TypeVar("Answer")

TOKEN_VARIABLE = "FEDSIGHT_TOKEN"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
PAGE_SECONDS = 60.0


class ClientError(FedsightError):
    """The collector cannot be reached, or refuses; `status` is that of its answer, if any.

    `field` names the parameter that it refuses.
    """

    def __init__(self, message: str, status: int | None = None, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.field = field


class Refusal(Struct):
    """What was refused and why."""

    message: str
    field: str | None = None


class RefusalAnswer(Struct):
    """The body of an error."""

    error: Refusal


class Asking:
    """One collector, asked over HTTP with connections that are kept."""

    def __init__(self, url: str | None, token: str | None, timeout: float) -> None:
        url = _url_of_here() if url is None else url
        try:
            address = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise ClientError(f"{url!r} is no address: {error}") from None
        if address.scheme not in ("http", "https") or not address.host:
            raise ClientError(f"the address must be like http://127.0.0.1:8083, got {url!r}")
        self.url = str(address).rstrip("/")
        here = address.host in LOOPBACK
        shown = token or os.environ.get(TOKEN_VARIABLE) or (_token_of_here() if here else None)
        headers = {"Authorization": f"Bearer {shown}"} if shown else {}
        # A proxy of the environment is for others, not for this machine.
        self._http = httpx.Client(
            base_url=self.url, headers=headers, timeout=timeout, trust_env=not here
        )

    def get(self, path: str, parameters: Mapping[str, object], kind: type[Answer]) -> Answer:
        """The answer as its type. Raises ClientError."""
        given = {name: str(value) for name, value in parameters.items() if value is not None}
        try:
            answer = self._http.get(path, params=given)
        except httpx.ConnectError as error:
            raise ClientError(
                f"no collector answers at {self.url} ({error}): start one with"
                " `fedsight serve collector`, or name its address: Client('http://HOST:PORT')"
            ) from None
        except httpx.TimeoutException:
            raise ClientError(
                f"the collector at {self.url} did not answer in time: ask for less, or give"
                " Client a longer timeout"
            ) from None
        except httpx.HTTPError as error:
            raise ClientError(f"the collector at {self.url} cannot be read: {error}") from None
        if answer.status_code != 200:
            raise self._refused(answer)
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except msgspec.DecodeError as error:
            raise ClientError(
                f"what answers at {self.url} is no collector, or one of another version: {error}"
            ) from None

    def _refused(self, answer: httpx.Response) -> ClientError:
        status = answer.status_code
        if status in (401, 403):
            return ClientError(
                f"the collector at {self.url} asks for its token: Client(token=...), or the"
                f" variable {TOKEN_VARIABLE}; it is in the file `token` of its data directory",
                status,
            )
        try:
            refusal = msgspec.json.decode(answer.content, type=RefusalAnswer).error
        except msgspec.DecodeError:
            return ClientError(f"what answers at {self.url} is no collector: {status}", status)
        return ClientError(refusal.message, status, refusal.field)

    def close(self) -> None:
        """Close its connections."""
        self._http.close()


def _url_of_here() -> str:
    """This machine's collector, at the port that the settings name."""
    from fedsight.config import load

    return f"http://127.0.0.1:{load().collector.port}"


def _token_of_here() -> str | None:
    """The token of this machine's data directory, where there is one that can be read."""
    from fedsight.config import load  # reads the settings: only where no token was given

    try:
        return (Path(load().data) / "token").read_text(encoding="utf-8").strip() or None
    except (OSError, FedsightError):
        return None
