"""The way to a bridge: OTLP over gRPC, packed, with TLS and a token where they are wanted.

https://opentelemetry.io/docs/specs/otlp/#otlpgrpc
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)

from fedsight.door.hosts import is_loopback
from fedsight.door.listener import strangers
from fedsight.errors import SettingsError, UsageError
from fedsight.telemetry.agent.trusting import authorities, token_in
from fedsight.telemetry.agent.verdict import Later, Taken, Verdict, verdict

EXPORT = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
STATUS_DETAILS = "grpc-status-details-bin"
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED.name
GRPC_PORT = 4317
#: As the settings have it: no user and password, no path.
ADDRESS = re.compile(r"https?://[^\s/?#@]+/?")
MOST_SAID = 300
#: A bridge that comes back is met within seconds; the environment's proxies are not used.
CHANNEL = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 5_000),
)


class Bridge(Protocol):
    """Where scrapes go."""

    async def export(self, body: bytes, timeout: float) -> Verdict:
        """Send one encoded request, within `timeout` seconds."""


@dataclass(frozen=True)
class Endpoint:
    """A bridge's address, `http://HOST:PORT` or `https://HOST:PORT`; `authority` vouches for its
    certificate (PEM). `token_file` holds what it asks for; without one, `own_token` is shown to a
    bridge on this machine that asks for a token. Raises SettingsError for what does not go
    together."""

    url: str
    authority: Path | None = None
    token_file: Path | None = None
    own_token: Callable[[], str] | None = None

    def __post_init__(self) -> None:
        if not ADDRESS.fullmatch(self.url) or not _leads_somewhere(self.url):
            raise SettingsError(
                "agent.endpoint must be an address without user, password and path, such as"
                f" http://127.0.0.1:4317, got {self.url.rpartition('@')[2]!r}"
            )
        if self.authority is not None and not self.encrypted:
            raise SettingsError(
                f"agent.tls_ca needs an agent.endpoint with https://, got {self.url!r}"
            )
        if self.token_file is not None and not self.encrypted and not self.near:
            raise SettingsError(
                f"agent.token_file would be sent to {self.url} without encryption; give"
                " agent.endpoint with https://, or leave the token out"
            )

    @property
    def encrypted(self) -> bool:
        """Whether it speaks TLS."""
        return self.url.startswith("https://")

    @property
    def near(self) -> bool:
        """Whether it is on this machine."""
        return is_loopback(urlsplit(self.url).hostname or "")

    @property
    def address(self) -> str:
        """As gRPC wants it."""
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        return f"{f'[{host}]' if ':' in host else host}:{self.port}"

    def roots(self) -> bytes | None:
        """Whose certificates vouch for its own (PEM); None: gRPC's choice. Raises UsageError."""
        return authorities(self.authority) if self.encrypted else None

    @property
    def port(self) -> int:
        """Its port."""
        return urlsplit(self.url).port or GRPC_PORT

    def token(self, *, asked: bool) -> str | None:
        """What it is shown, read anew each time; `asked`: it turned us away without one. Raises
        UsageError naming the file."""
        if self.token_file is not None:
            return token_in(self.token_file)
        # A program of somebody else's that took the port is not told.
        if asked and self.near and self.own_token is not None and not strangers(self.port):
            return self.own_token()
        return None


class GrpcBridge:
    """A bridge over a channel of its own. Made within a running event loop."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._asked = False
        self._channel = _channel(endpoint)
        self._call = self._channel.unary_unary(
            EXPORT, response_deserializer=ExportMetricsServiceResponse.FromString
        )

    async def export(self, body: bytes, timeout: float) -> Verdict:
        """As `Bridge.export`."""
        found = await self._sent(body, timeout)
        if isinstance(found, Later) and found.code == UNAUTHENTICATED and not self._asked:
            self._asked = True
            found = await self._sent(body, timeout)
        return found

    async def _sent(self, body: bytes, timeout: float) -> Verdict:
        try:
            token = self._endpoint.token(asked=self._asked)
        except UsageError as error:
            return Later("TOKEN", str(error), unwelcome=True)
        shown = () if token is None else (("authorization", f"Bearer {token}"),)
        try:
            answer = await self._call(
                body, timeout=timeout, metadata=shown, compression=grpc.Compression.Gzip
            )
        except grpc.aio.AioRpcError as error:
            details = dict(error.trailing_metadata() or ()).get(STATUS_DETAILS)
            packed = details if isinstance(details, bytes) else None
            return verdict(error.code(), _line(error.details() or ""), packed)
        partial = answer.partial_success
        return Taken(max(0, partial.rejected_data_points), _line(partial.error_message))

    async def close(self) -> None:
        """End the connection."""
        await self._channel.close(None)


def _leads_somewhere(url: str) -> bool:
    """Whether it has a host, and a port that there is."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _channel(endpoint: Endpoint) -> grpc.aio.Channel:
    if not endpoint.encrypted:
        return grpc.aio.insecure_channel(endpoint.address, options=CHANNEL)
    credentials = grpc.ssl_channel_credentials(root_certificates=endpoint.roots())
    return grpc.aio.secure_channel(endpoint.address, credentials, options=CHANNEL)


def _line(said: str) -> str:
    """What somebody else said, as one line of a log."""
    return " ".join(said.split())[:MOST_SAID]
