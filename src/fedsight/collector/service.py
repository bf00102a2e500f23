"""Runs a collector as a process."""

from __future__ import annotations

import asyncio
import logging
import socket

import uvloop

from fedsight.collector.http.application import create_app
from fedsight.collector.options import CollectorOptions
from fedsight.collector.running import Parts
from fedsight.door.serving import listening, serve, url_of
from fedsight.errors import StoreError

__all__ = ["CollectorOptions", "create_app", "run"]


def run(options: CollectorOptions) -> None:
    """Serve until SIGINT, SIGTERM or, where asked, the end of standard input.

    Prints `listening on http://HOST:PORT` and nothing else to standard output. Raises
    PortInUseError or StoreError with one sentence where it cannot begin.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    listener = listening(options.host, options.port)
    with listener:
        address = address_of(options, listener)
        parts = Parts(options, address)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(parts, listener, address))


def address_of(options: CollectorOptions, listener: socket.socket) -> str:
    """Where to reach the collector: a name that its door lets in, with the port it really has."""
    host = options.host if options.loopback or not options.hosts else options.hosts[0]
    return url_of(host, listener)


async def _serve(parts: Parts, listener: socket.socket, address: str) -> None:
    def announce() -> None:
        print(f"listening on {address}", flush=True)

    app = create_app(parts, on_ready=announce)
    began = await serve(app, listener, until_stdin_closes=parts.options.until_stdin_closes)
    if not began:
        raise StoreError(f"the collector could not begin with the data directory {parts.file}")
