"""From a bridge to what its doors call: bytes in, bytes out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fedsight.telemetry.bridge.bridge import Bridge, answer
from fedsight.telemetry.bridge.counts import SIGNALS


def export(bridge: Bridge) -> dict[str, Callable[[bytes], Awaitable[bytes]]]:
    """The three services' Export over gRPC."""
    return {signal: _of(bridge, signal) for signal in SIGNALS}


def _of(bridge: Bridge, signal: str) -> Callable[[bytes], Awaitable[bytes]]:
    async def take(body: bytes) -> bytes:
        return answer(await bridge.take(signal, body, "grpc"), signal)

    return take
