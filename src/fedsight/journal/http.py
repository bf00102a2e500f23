"""The sink that speaks to the collector: `POST /api/v1/ingest` (docs/api.md)."""

from __future__ import annotations

import ssl

import httpx
import msgspec

from fedsight.journal.sink import DeliveryError, GapError
from fedsight.signals import Shipment

REQUEST_SECONDS = 5.0
#: 408 and 5xx pass by themselves, 429 asks to wait; any other refusal will be repeated.
PASSING = frozenset({408, 429})
TOO_LARGE = 413


class _Problem(msgspec.Struct):
    code: str
    message: str
    expected_seq: int | None = None
    field: str | None = None


class _Refusal(msgspec.Struct):
    error: _Problem


class _Accepted(msgspec.Struct):
    next_seq: int


class HttpSink:
    """Sends shipments to the collector at `url` with the bearer token of its data directory.

    `verify` is whom it trusts over TLS, by default the system's authorities.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout: float = REQUEST_SECONDS,
        verify: ssl.SSLContext | bool = True,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._url = f"{url.rstrip('/')}/api/v1/ingest"
        self._client = httpx.Client(
            headers=headers, timeout=timeout, trust_env=False, verify=verify
        )

    def send(self, shipment: Shipment) -> int:
        """As `Sink.send`."""
        try:
            response = self._client.post(self._url, content=msgspec.json.encode(shipment))
        except httpx.HTTPError as error:
            raise DeliveryError(f"cannot reach {self._url}: {_reason(error)}") from error
        if response.status_code == 200:
            return self._next_seq(response)
        raise self._refusal(response)

    def _next_seq(self, response: httpx.Response) -> int:
        try:
            return msgspec.json.decode(response.content, type=_Accepted).next_seq
        except msgspec.MsgspecError as error:
            message = f"{self._url} answered something else than a collector: {error}"
            raise DeliveryError(message, refused=True) from error

    def _refusal(self, response: httpx.Response) -> GapError | DeliveryError:
        status = response.status_code
        try:
            problem = msgspec.json.decode(response.content, type=_Refusal).error
        except msgspec.MsgspecError:
            problem = _Problem("unknown", response.reason_phrase)
        if status == 409 and problem.expected_seq is not None:
            return GapError(problem.expected_seq)
        refused = status < 500 and status not in PASSING
        field = "records" if status == TOO_LARGE else problem.field
        message = f"{self._url} answered {status}: {problem.message}"
        return DeliveryError(message, refused=refused, field=field)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def __enter__(self) -> HttpSink:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _reason(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__
