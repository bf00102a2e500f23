"""A page of figures for Prometheus as a process: what the exporter and the agent have in common."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from fedsight.door.bearer import Bearer
from fedsight.door.exposition import MEDIA_TYPE
from fedsight.door.guard import Guard
from fedsight.door.hosts import LOOPBACK_NAMES, PLAINTEXT, is_loopback
from fedsight.door.routing import replies
from fedsight.door.serving import listening, serve, url_of
from fedsight.door.token import TOKEN, token_in
from fedsight.errors import SettingsError


@dataclass(frozen=True)
class Where:
    """Where the page is, and under which names; `data` is the directory with the token that is
    asked for beyond this machine. Rates are requests a second for each client address. Raises
    SettingsError naming the key, its value and what is allowed."""

    data: Path
    host: str = "127.0.0.1"
    port: int = 0
    hosts: tuple[str, ...] = ()
    until_stdin_closes: bool = False
    body_bytes: int = 1024
    refused_rate: float = 0.5
    refused_burst: float = 10.0

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise SettingsError(f"port must lie between 0 and 65535, got {self.port}")
        if not self.host:
            raise SettingsError("host must be an address or a name, got ''")

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it, or what passes requests on."""
        return is_loopback(self.host)

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Names that a request may address, in lower case."""
        return LOOPBACK_NAMES | {name.lower() for name in (self.host, *self.hosts)}

    @property
    def name(self) -> str:
        """The name that is announced."""
        return self.host if self.loopback or not self.hosts else self.hosts[0]


@dataclass(frozen=True)
class Served:
    """What is served: `page` makes the text, in any thread; `beside` runs as long as it is served;
    `service` is who errs where it errs, `landing` what `/` says."""

    page: Callable[[], str]
    beside: Callable[[], AbstractAsyncContextManager[None]]
    service: str
    landing: str


def run_page(where: Where, make: Callable[[], Served]) -> None:
    """Serve until SIGINT, SIGTERM or, where asked, the end of standard input.

    Prints `listening on http://HOST:PORT` and nothing else to standard output. Raises
    PortInUseError where it cannot begin, and what `make` raises.
    """
    with listening(where.host, where.port) as listener:
        served = make()
        address = url_of(where.name, listener)

        def announce() -> None:
            if not where.loopback:
                print(f"requests need the token in {where.data / TOKEN}", file=sys.stderr)
                mend = "put a proxy with TLS in front"
                print(PLAINTEXT.format(mend=mend), file=sys.stderr, flush=True)
            print(f"listening on {address}", flush=True)

        app = create_app(where, served, token=token_in(where.data), on_ready=announce)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(app, listener, until_stdin_closes=where.until_stdin_closes))


def create_app(
    where: Where, served: Served, *, token: str, on_ready: Callable[[], None] = lambda: None
) -> ASGIApp:
    """The application: `/metrics`, and a line that says so at `/`."""

    async def metrics(_: Request) -> Response:
        return Response(await asyncio.to_thread(served.page), media_type=MEDIA_TYPE)

    async def landing(_: Request) -> Response:
        return PlainTextResponse(f"{served.landing}: /metrics\n")

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with served.beside():
            on_ready()
            yield

    app = Starlette(
        routes=[Route("/metrics", metrics), Route("/", landing)],
        lifespan=lifespan,
        exception_handlers=replies(served.service),
    )
    return Guard(app, where, Bearer(token))
