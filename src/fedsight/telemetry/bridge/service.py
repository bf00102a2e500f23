"""Runs a bridge as a process."""

from __future__ import annotations

import asyncio
import sys

import uvloop

from fedsight.door.hosts import PLAINTEXT
from fedsight.door.serving import listening, serve, url_of
from fedsight.door.token import TOKEN, token_in
from fedsight.telemetry.bridge.grpc_door import Entrance, GrpcDoor
from fedsight.telemetry.bridge.http_door import create_app
from fedsight.telemetry.bridge.options import BridgeOptions
from fedsight.telemetry.bridge.parts import made
from fedsight.telemetry.bridge.taking import export
from fedsight.telemetry.windows import BridgeConfiguration, Windows

__all__ = ["BridgeOptions", "run"]


def run(options: BridgeOptions, windows: Windows, configuration: BridgeConfiguration) -> None:
    """Serve until SIGINT, SIGTERM or, where asked, the end of standard input.

    Prints `listening on grpc://HOST:PORT` and `listening on http://HOST:PORT`, and nothing else, to
    standard output. Raises PortInUseError, StoreError or JournalError with one sentence where it
    cannot begin.
    """
    if options.tls is not None:
        options.tls.check()
    with listening(options.host, options.http_port) as listener:
        token = token_in(options.data)
        with made(options, token, windows, configuration) as parts:
            door = GrpcDoor(_entrance(options, token), export(parts.bridge))
            secure = "" if options.tls is None else "s"
            address = url_of(options.host, listener, f"http{secure}")

            async def ready() -> None:
                await door.start()
                if not options.loopback:
                    _warn_beyond(options)
                name = f"[{options.host}]" if ":" in options.host else options.host
                print(f"listening on grpc{secure}://{name}:{door.port}", flush=True)
                print(f"listening on {address}", flush=True)

            app = create_app(parts, token, on_ready=ready, on_end=door.close)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(
                    serve(
                        app,
                        listener,
                        tls=None if options.tls is None else options.tls.context(),
                        until_stdin_closes=options.until_stdin_closes,
                    )
                )


def _entrance(options: BridgeOptions, token: str) -> Entrance:
    return Entrance(
        options.host,
        options.grpc_port,
        token if options.asks_token else None,
        options.tls,
        options.message_bytes,
        options.calls,
        options.refused_rate,
        options.refused_burst,
    )


def _warn_beyond(options: BridgeOptions) -> None:
    print(f"requests need the token in {options.data / TOKEN}", file=sys.stderr)
    if options.tls is None:
        mend = "name --tls-cert and --tls-key"
        print(PLAINTEXT.format(mend=mend), file=sys.stderr, flush=True)
