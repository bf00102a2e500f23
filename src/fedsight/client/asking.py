"""Requests to a collector, and what it refuses as a sentence that says what to do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

import httpx
import msgspec
from msgspec import Struct

from fedsight.config import load
from fedsight.config.trust import Trust
from fedsight.door.listener import strangers
from fedsight.errors import FedsightError

Answer = TypeVar("Answer")

TOKEN_VARIABLE = "FEDSIGHT_TOKEN"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
EVERYWHERE = frozenset({"0.0.0.0", "::"})
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

    def __init__(
        self, url: str | None, token: str | None, timeout: float, authority: Path | None
    ) -> None:
        own = _own_collector() if url is None else None
        self.url = own.url if own is not None else _checked(url or "")
        address = httpx.URL(self.url)
        port = address.port or (443 if address.scheme == "https" else 80)
        self._here = port if address.host in LOOPBACK else None
        self._token = _printable(token or os.environ.get(TOKEN_VARIABLE, ""))
        trust = Trust(authority) if own is None or authority is not None else own.trust
        # A proxy of the environment is for others, not for this machine.
        self._http = httpx.Client(
            base_url=self.url,
            timeout=timeout,
            trust_env=self._here is None,
            verify=trust.verify(),
        )

    def get(self, path: str, parameters: Mapping[str, object], kind: type[Answer]) -> Answer:
        """The answer as its type. Raises ClientError."""
        given = {name: str(value) for name, value in parameters.items() if value is not None}
        answer = self._answer(path, given)
        if answer.status_code == 401 and self._token is None and self._here is not None:
            # Asked for: the token of this machine's data directory, unless a stranger asks.
            self._token = _token_of_here(self._here)
            answer = self._answer(path, given)
        if answer.status_code != 200:
            raise self._refused(answer)
        try:
            return msgspec.json.decode(answer.content, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ClientError(
                f"what answers at {self.url} is no collector, or one of another version: {error}"
            ) from None

    def _answer(self, path: str, given: dict[str, str]) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        try:
            return self._http.get(path, params=given, headers=headers)
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

    def _refused(self, answer: httpx.Response) -> ClientError:
        status = answer.status_code
        if status == 401:
            return ClientError(
                f"the collector at {self.url} asks for its token: Client(token=...), or the"
                f" variable {TOKEN_VARIABLE}; it is in the file `token` of its data directory",
                status,
            )
        try:
            refusal = msgspec.json.decode(answer.content, type=RefusalAnswer).error
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ClientError(f"what answers at {self.url} is no collector: {status}", status)
        return ClientError(refusal.message, status, refusal.field)

    def close(self) -> None:
        """Close its connections."""
        self._http.close()


class Own(NamedTuple):
    """This machine's collector, as the settings have it."""

    url: str
    trust: Trust


def _own_collector() -> Own:
    collector = load().collector
    host = "127.0.0.1" if collector.host in EVERYWHERE else collector.host
    name = f"[{host}]" if ":" in host else host
    return Own(f"{collector.scheme}://{name}:{collector.port}", collector.trust)


def _checked(url: str) -> str:
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ClientError(f"{url!r} is no address: {error}") from None
    if address.scheme not in ("http", "https") or not address.host:
        raise ClientError(f"the address must be like http://127.0.0.1:8083, got {url!r}")
    return str(address).rstrip("/")


def _printable(token: str) -> str | None:
    """The token without the line end of a file; raises ClientError, without it, for what is none.

    What no header can carry would stand in the error of whoever tries.
    """
    said = token.strip()
    if not (said.isascii() and said.isprintable()):
        raise ClientError("the token has characters that none has: give it as its file has it")
    return said or None


def _token_of_here(port: int) -> str | None:
    """The token of this machine's data directory, where there is one that can be read.

    Raises ClientError where another user's program holds the port: it could keep the token.
    """
    if strangers(port):
        raise ClientError(f"port {port} is held by another user's program: it gets no token")
    try:
        return _printable((load().data / "token").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, FedsightError):
        return None
