"""OTLP over gRPC: the three services' Export, as bytes in and bytes out.

https://opentelemetry.io/docs/specs/otlp/#otlpgrpc
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import grpc

from fedsight.door.bearer import Bearer
from fedsight.door.limits import RateLimit
from fedsight.door.serving import PortInUseError
from fedsight.door.tls import Tls
from fedsight.telemetry.bridge.refusing import INTERNAL, UNAUTHENTICATED, CallRefusedError, busy

logger = logging.getLogger(__name__)

SERVICES = {
    "metrics": "opentelemetry.proto.collector.metrics.v1.MetricsService",
    "logs": "opentelemetry.proto.collector.logs.v1.LogsService",
    "traces": "opentelemetry.proto.collector.trace.v1.TraceService",
}
DETAILS = "grpc-status-details-bin"
CODES = {code.value[0]: code for code in grpc.StatusCode}
#: Bytes of a call's metadata, streams of one connection, seconds between pings that are taken.
METADATA_BYTES = 16 * 1024
STREAMS = 256
PING_SECONDS = 10
CLOSE_SECONDS = 3.0
#: Calls beyond those that are let in: so many are told when to come again, more are cut off.
BEYOND = 64

#: Takes a request's bytes and gives the answer's; raises CallRefusedError.
Take = Callable[[bytes], Awaitable[bytes]]


@dataclass(frozen=True)
class Entrance:
    """Who may call, how large a message may be and how many calls may be under way.

    `token`: what a call must show; None: nothing.
    """

    host: str
    port: int
    token: str | None
    tls: Tls | None
    message_bytes: int
    calls: int
    refused_rate: float = 0.5
    refused_burst: float = 10.0


class GrpcDoor:
    """Serves `takes`, by signal, from `start` until `close`."""

    def __init__(self, entrance: Entrance, takes: dict[str, Take]) -> None:
        self._entrance = entrance
        self._takes = takes
        self._bearer = None if entrance.token is None else Bearer(entrance.token)
        self._failed = RateLimit(entrance.refused_rate, entrance.refused_burst)
        self._server: Any = None
        self.calls = 0
        self.port = 0

    async def start(self) -> None:
        """Listen; raises PortInUseError naming the port."""
        server = grpc.aio.server(
            options=_options(self._entrance.message_bytes),
            maximum_concurrent_rpcs=self._entrance.calls + BEYOND,
        )
        server.add_generic_rpc_handlers(
            tuple(
                grpc.method_handlers_generic_handler(
                    SERVICES[signal],
                    {"Export": grpc.unary_unary_rpc_method_handler(self._handling(take))},
                )
                for signal, take in self._takes.items()
            )
        )
        self.port = self._bind(server)
        await server.start()
        self._server = server

    def _bind(self, server: Any) -> int:
        host, port, tls = self._entrance.host, self._entrance.port, self._entrance.tls
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if tls is None:
                bound = server.add_insecure_port(address)
            else:
                pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
                bound = server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
        except RuntimeError:
            bound = 0
        if not bound:
            raise PortInUseError(
                f"cannot listen on {host} port {port} for gRPC: it is in use by another program,"
                " or is no address of this machine; choose another with --grpc-port"
            )
        return int(bound)

    async def close(self) -> None:
        """Let calls under way come to their end, for a moment, then end."""
        if self._server is not None:
            await self._server.stop(CLOSE_SECONDS)

    def _handling(self, take: Take) -> Callable[[bytes, Any], Awaitable[bytes]]:
        async def export(body: bytes, context: Any) -> bytes:
            self.calls += 1
            try:
                self._check(context)
                return await take(body)
            except CallRefusedError as refused:
                return await _abort(context, refused)
            except Exception:  # a bug in one call: gRPC would tell the caller our traceback
                logger.exception("a call met a fault")
                fault = CallRefusedError(INTERNAL, "the bridge met a fault; its log says which")
                return await _abort(context, fault)
            finally:
                self.calls -= 1

        return export

    def _check(self, context: Any) -> None:
        if self._bearer is not None:
            shown = dict(context.invocation_metadata() or ()).get("authorization", "")
            if not (isinstance(shown, str) and self._bearer.knows_token(shown)):
                self._refuse(context.peer())
        if self.calls > self._entrance.calls:
            raise busy(f"{self._entrance.calls} calls are under way already", 1.0)

    def _refuse(self, peer: str) -> None:
        """Whoever guesses is slowed down, each address for itself."""
        wait = self._failed.take(peer.rpartition(":")[0], time.monotonic())
        if wait:
            raise busy("too many calls without a right token", wait)
        how = Bearer.how.replace("the header", "the metadata")
        raise CallRefusedError(UNAUTHENTICATED, how)


async def _abort(context: Any, refused: CallRefusedError) -> bytes:
    """End the call with a status; gRPC's abort raises."""
    details = ((DETAILS, refused.status()),)
    await context.abort(CODES[refused.code], refused.message, trailing_metadata=details)
    raise AssertionError("abort raises")


def _options(message_bytes: int) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", message_bytes),
        ("grpc.max_metadata_size", METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", METADATA_BYTES),
        ("grpc.max_concurrent_streams", STREAMS),
        ("grpc.so_reuseport", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", PING_SECONDS * 1000),
        ("grpc.keepalive_permit_without_calls", 1),
    ]
