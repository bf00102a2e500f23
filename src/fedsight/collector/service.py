"""Runs a collector as a process: socket, signals, and the line that tells a parent it is up."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
import uvloop

from fedsight.collector.http.application import create_app
from fedsight.collector.options import CollectorOptions
from fedsight.collector.running import Parts
from fedsight.errors import StoreError

__all__ = ["CollectorOptions", "create_app", "run"]

SHUTDOWN_SECONDS = 3
MESSAGE_BYTES = 64 * 1024


class PortInUseError(StoreError):
    """The address is taken by another program, or cannot be had."""


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: those raise a signal again once it is done, which
    would end the process before the store is closed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


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


def listening(host: str, port: int) -> socket.socket:
    """A listening socket; raises PortInUseError naming the port."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise PortInUseError(f"cannot listen on {host}: {error.strerror}") from error
    listener = socket.socket(found[0], found[1])
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(found[4])
        listener.listen(2048)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(
                f"port {port} on {host} is in use by another program; choose another with --port"
            ) from error
        raise PortInUseError(f"cannot listen on {host} port {port}: {error.strerror}") from error
    listener.set_inheritable(False)
    return listener


def address_of(options: CollectorOptions, listener: socket.socket) -> str:
    """Where to reach the collector: a name that its door lets in, with the port it really has."""
    host = options.host if options.loopback or not options.hosts else options.hosts[0]
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{listener.getsockname()[1]}"


async def _serve(parts: Parts, listener: socket.socket, address: str) -> None:
    def announce() -> None:
        print(f"listening on {address}", flush=True)

    config = uvicorn.Config(
        create_app(parts, on_ready=announce),
        loop="none",
        http="httptools",
        ws="websockets-sansio",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws_max_size=MESSAGE_BYTES,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    server = _Server(config)

    def stop() -> None:
        server.force_exit = server.should_exit
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    if parts.options.until_stdin_closes:
        _call_at_end_of_input(lambda: loop.call_soon_threadsafe(stop))
    await server.serve(sockets=[listener])
    if not server.started:
        raise StoreError(f"the collector could not begin with the data directory {parts.file}")


def _call_at_end_of_input(then: Callable[[], object]) -> None:
    """Watch standard input in a thread that does not keep the process alive."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        then()

    threading.Thread(target=watch, name="standard-input", daemon=True).start()
