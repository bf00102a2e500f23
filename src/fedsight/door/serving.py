"""One application as a process: its socket, signals, and the line that tells a parent it is up."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import resource
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fedsight.door.bounded import Bounded
from fedsight.door.websockets import FlowControlled
from fedsight.errors import FedsightError

SHUTDOWN_SECONDS = 3
MESSAGE_BYTES = 64 * 1024
#: New objects (Python's default is 700) before cycles are looked for among them, and how many such
#: looks before older ones are looked at.
COLLECT_AFTER = (10_000, 10, 10)


class PortInUseError(FedsightError):
    """The address is taken by another program, or cannot be had."""


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: those raise a signal again once it is done, which
    would end the process before what it holds is closed."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listening(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A listening socket; raises PortInUseError naming the port.

    `shared`: other processes of this user may listen there too, if they say the same.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise PortInUseError(f"cannot listen on {host}: {error.strerror}") from error
    listener = socket.socket(found[0], found[1])
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
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


def url_of(host: str, listener: socket.socket, scheme: str = "http") -> str:
    """The address of a listening socket under the name `host`, with the port it really has."""
    name = f"[{host}]" if ":" in host else host
    return f"{scheme}://{name}:{listener.getsockname()[1]}"


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    *,
    tls: ssl.SSLContext | None = None,
    more: Sequence[socket.socket] = (),
    until_stdin_closes: bool = False,
    on_stop: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGINT, SIGTERM or, where asked, the end of standard input.

    `more` are further sockets to serve on. `on_stop` is called at the first of
    these signs; a second ends open requests at once. Raises FedsightError, with its own sentence
    where it has one, where the application cannot begin, or what it holds could not be closed.
    """
    lifespan = _Lifespan(app)
    secured = None if tls is None else (lambda *_: tls)
    config = uvicorn.Config(
        lifespan,
        ssl_context_factory=secured,
        loop="none",
        http=Bounded,
        ws=FlowControlled,
        lifespan="on",
        interface="asgi3",
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
        on_stop()

    _allow_files()
    _collect_less()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    if until_stdin_closes:
        _call_at_end_of_input(lambda: loop.call_soon_threadsafe(stop))
    await server.serve(sockets=[listener, *more])
    if lifespan.error is not None or not server.started:
        raise lifespan.failure(server.started) from lifespan.error


class _Lifespan:
    """The application; `error` is why it could not begin or end: uvicorn logs that, and goes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.error: Exception | None = None

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        run = self._last if scope["type"] == "lifespan" else self._app
        return run(scope, receive, send)

    async def _last(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def tell(message: Message) -> None:
            # Starlette tells a whole trace there, which would be logged beside our sentence.
            await send({"type": message["type"]})

        try:
            await self._app(scope, receive, tell)
        except Exception as error:  # whatever it is ends the process: `serve` says it in a sentence
            self.error = error
            raise

    def failure(self, began: bool) -> FedsightError:
        """What to say of it."""
        if isinstance(self.error, FedsightError):
            return self.error
        what = "could not be closed well" if began else "could not begin"
        why = f": {type(self.error).__name__}: {self.error}" if self.error is not None else ""
        return FedsightError(f"the service {what}{why}")


def _allow_files() -> None:
    """As many open connections as this user may have: systems start a process with 1,024 files."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _collect_less() -> None:
    """Look for cycles among what was made since, and less often: what was imported stays for good,
    and looking through it again took an eighth of a busy event loop's time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)


def _call_at_end_of_input(then: Callable[[], object]) -> None:
    """Watch standard input in a thread that does not keep the process alive."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        with suppress(RuntimeError):  # the loop that it ends was closed already
            then()

    threading.Thread(target=watch, name="standard-input", daemon=True).start()
