"""Runs a collector as a process."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from contextlib import closing

import uvloop

from fedsight.collector.http.application import create_app
from fedsight.collector.options import CollectorOptions
from fedsight.collector.replica.announced import announce_writer, withdraw_writer
from fedsight.collector.running import Parts
from fedsight.door.serving import listening, serve, url_of

__all__ = ["CollectorOptions", "create_app", "run"]

LOOPBACK = "127.0.0.1"


def run(options: CollectorOptions) -> None:
    """Serve until SIGINT, SIGTERM or, where asked, the end of standard input.

    Prints `listening on http://HOST:PORT` and nothing else to standard output. Raises
    PortInUseError or StoreError with one sentence where it cannot begin.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    secured = None if options.tls is None else options.tls.context()
    listener = listening(options.host, options.port, shared=options.shared)
    work = _read if options.reader else _write
    with (
        listener,
        closing(_own(options, listener)) as own,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(work(options, listener, own, secured))


def _own(options: CollectorOptions, listener: socket.socket) -> socket.socket:
    """A socket that reaches this process and no other: a shared one may reach any."""
    return listening(LOOPBACK, 0) if options.shared and not options.reader else listener.dup()


def address_of(options: CollectorOptions, listener: socket.socket) -> str:
    """Where to reach the collector: a name that its door lets in, with the port it really has."""
    host = options.host if options.loopback or not options.hosts else options.hosts[0]
    return url_of(host, listener, "http" if options.tls is None else "https")


async def _write(
    options: CollectorOptions,
    listener: socket.socket,
    own: socket.socket,
    secured: ssl.SSLContext | None,
) -> None:
    address, reached = address_of(options, listener), reaching(options, own)
    parts = Parts(options, address)

    def announce() -> None:
        announce_writer(options.data, reached)
        print(f"listening on {address}", flush=True)

    app = create_app(parts, on_ready=announce)
    more, closes = [own] if options.shared else [], options.until_stdin_closes
    try:
        await serve(app, listener, tls=secured, more=more, until_stdin_closes=closes)
    finally:
        withdraw_writer(options.data, reached)


async def _read(
    options: CollectorOptions,
    listener: socket.socket,
    own: socket.socket,
    secured: ssl.SSLContext | None,
) -> None:
    from fedsight.collector.replica.application import create_replica_app
    from fedsight.collector.replica.running import ReplicaParts

    address = address_of(options, listener)

    def announce() -> None:
        print(f"listening on {address}", flush=True)

    app = create_replica_app(ReplicaParts(options, address), on_ready=announce)
    await serve(app, listener, tls=secured, until_stdin_closes=options.until_stdin_closes)


def reaching(options: CollectorOptions, own: socket.socket) -> str:
    """Where this very process is reached from this machine."""
    host = own.getsockname()[0]
    scheme = "http" if options.tls is None else "https"
    return url_of(LOOPBACK if host in ("0.0.0.0", "::") else host, own, scheme)
