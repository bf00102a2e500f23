"""Flower's SuperLink in this process: its state and its handlers, behind our door.

It runs no ServerApps (isolation "process"): the process that trains is the server.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
import uvloop
from flwr.common.constant import TRANSPORT_TYPE_GRPC_RERE
from flwr.supercore.constant import FLWR_IN_MEMORY_DB_NAME
from flwr.supercore.logger import FLOWER_LOGGER
from flwr.superlink.auth_plugin import NoOpControlAuthnPlugin
from flwr.superlink.cli.flower_superlink import SuperLinkLifespan
from flwr.superlink.config_loader import SuperLinkLifespanConfig
from flwr.superlink.main import create_app

from fedsight.config import LOOPBACK, PORTS
from fedsight.door.hosts import is_loopback
from fedsight.door.serving import listening
from fedsight.door.tls import Tls
from fedsight.errors import FedsightError, UsageError
from fedsight.federated.link.address import Address
from fedsight.federated.link.front import Front
from fedsight.federated.link.gate import STRANGERS
from fedsight.federated.link.reports import Refusal
from fedsight.federated.link.shared_objects import share_objects

SHUTDOWN_SECONDS = 3
#: Longer than the longest pause between two heartbeats, so that they need no new connection.
KEEP_ALIVE_SECONDS = 75
START_SECONDS = 60.0
#: As Flower's log writes them.
_REFUSALS = tuple(str(code.value) for code in STRANGERS)


@dataclass(frozen=True)
class SuperLinkOptions:
    """How a SuperLink is run.

    `port` 0: any free one. `database` None: nothing outlives the process. `token`: what callers
    from elsewhere show to submit runs; None: only this machine may. `node_auth`: only nodes whose
    key was registered.
    """

    host: str = LOOPBACK
    port: int = PORTS["superlink"].number
    database: Path | None = None
    tls: Tls | None = None
    node_auth: bool = False
    token: str | None = None


class SuperLink:
    """One SuperLink: `run` it in the main thread until a signal, or `start` and `stop` it.

    `listener` is a socket that listens already. `on_refusal` is called for requests that were
    turned away, from any thread.
    """

    def __init__(
        self,
        options: SuperLinkOptions,
        listener: socket.socket | None = None,
        on_refusal: Callable[[Refusal], object] = lambda _: None,
    ) -> None:
        _check(options)
        self.options = options
        self._listener = listener or listening(options.host, options.port)
        self._on_refusal = on_refusal
        self._server: _Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    @property
    def address(self) -> Address:
        """Where it listens, with the port that it really has."""
        return Address(self.options.host, self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """Its address as a URL."""
        return f"{'http' if self.options.tls is None else 'https'}://{self.address}"

    def run(self, on_listening: Callable[[str], object] = lambda _: None) -> None:
        """Serve until SIGINT or SIGTERM; `on_listening` is told the URL once it answers."""
        self._serve(on_listening, signals=True)

    def start(self) -> Address:
        """Serve from a thread of its own; returns once it answers. Raises what kept it from it."""
        ready = threading.Event()

        def serve() -> None:
            try:
                self._serve(lambda _: ready.set(), signals=False)
            except BaseException as error:  # told to who started us
                self._failure = error
            finally:
                ready.set()

        self._thread = threading.Thread(target=serve, name="superlink", daemon=True)
        self._thread.start()
        if not ready.wait(START_SECONDS):
            raise FedsightError(f"the SuperLink did not begin within {START_SECONDS:g} s")
        if self._failure is not None:
            raise self._failure
        return self.address

    def stop(self) -> None:
        """End it, also from another thread; returns once its thread has ended."""
        server, loop, thread = self._server, self._loop, self._thread
        if server is not None and loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(server.end)
        if thread is not None and thread is not threading.current_thread():
            thread.join(SHUTDOWN_SECONDS + 5)

    def _serve(self, on_listening: Callable[[str], object], signals: bool) -> None:
        _quieten()
        flower = create_app(_flowers(self.options), SuperLinkLifespan)
        share_objects(flower)
        front = Front(flower, self.options.node_auth, self.options.token, self._on_refusal)
        server = _Server(self._settings(front), lambda: on_listening(self.url))
        with self._listener, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            self._loop, self._server = runner.get_loop(), server
            if signals:
                for number in (signal.SIGINT, signal.SIGTERM):
                    runner.get_loop().add_signal_handler(number, server.end)
            runner.run(server.serve(sockets=[self._listener]))
        if not server.started:
            raise FedsightError("the SuperLink could not begin; see its log")

    def _settings(self, front: Front) -> uvicorn.Config:
        tls = self.options.tls
        return uvicorn.Config(
            front,
            loop="none",
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            ssl_certfile=None if tls is None else str(tls.certificate),
            ssl_keyfile=None if tls is None else str(tls.key),
        )


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, which would raise a signal again at the end."""

    def __init__(self, config: uvicorn.Config, on_listening: Callable[[], object]) -> None:
        super().__init__(config)
        self._on_listening = on_listening

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def end(self) -> None:
        """Stop; at once when asked twice."""
        self.force_exit = self.should_exit
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_listening()


def _check(options: SuperLinkOptions) -> None:
    """Raise UsageError where it could not begin, or would promise what it cannot keep."""
    if options.tls is not None:
        options.tls.check()
    elif options.node_auth and not is_loopback(options.host):
        raise UsageError(
            f"node authentication at {options.host} needs TLS: without it, whoever hears a node's"
            " request can use its signature first; give a certificate and its key"
        )
    database = options.database
    if database is not None and not database.absolute().parent.is_dir():
        raise UsageError(f"database must be a file in a directory that is there, got {database}")


def _flowers(options: SuperLinkOptions) -> SuperLinkLifespanConfig:
    """The same as Flower's own command makes of its flags."""
    tls, database = options.tls, options.database
    return SuperLinkLifespanConfig(
        control_address="",
        health_server_address=None,
        host=options.host,
        port=options.port,
        insecure=tls is None,
        certificates=None,
        superexec_auth_secret=None,
        authn_plugin=NoOpControlAuthnPlugin(),
        event_log_plugin=None,
        fleet_event_log_plugin=None,
        enable_event_log=False,
        artifact_provider=None,
        enable_supernode_auth=options.node_auth,
        fleet_api_type=TRANSPORT_TYPE_GRPC_RERE,
        fleet_api_address=None,
        simulation=False,
        ssl_ca_certfile=None,
        ssl_certfile=None if tls is None else str(tls.certificate),
        ssl_keyfile=None if tls is None else str(tls.key),
        database=FLWR_IN_MEMORY_DB_NAME if database is None else str(database),
        isolation="process",
        runtime_dependency_install=False,
    )


def _quieten() -> None:
    """Flower logs each request; what is a warning still goes to standard error, but for refusals
    of nodes, of which we keep account."""
    FLOWER_LOGGER.setLevel(logging.WARNING)
    FLOWER_LOGGER.addFilter(_no_refusal)


def _no_refusal(record: logging.LogRecord) -> bool:
    return not any(f"[ApiError:{code}]" in record.getMessage() for code in _REFUSALS)
