"""Runs an exporter as a process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from fedsight.door.bearer import Bearer
from fedsight.door.exposition import MEDIA_TYPE
from fedsight.door.guard import Guard
from fedsight.door.hosts import PLAINTEXT
from fedsight.door.routing import replies
from fedsight.door.serving import listening, serve, url_of
from fedsight.door.token import TOKEN, token_of
from fedsight.errors import FedsightError
from fedsight.telemetry.exporter.options import ExporterOptions
from fedsight.telemetry.exporter.page import Page

#: RAPL's counters go round after minutes at the earliest (262 kJ at 1 kW: four).
KEEP_UP_SECONDS = 60.0
LANDING = "Figures of this machine under Scaphandre's names: /metrics\n"


def run(options: ExporterOptions) -> None:
    """Serve until SIGINT, SIGTERM or, where asked, the end of standard input.

    Prints `listening on http://HOST:PORT` and nothing else to standard output. Raises
    PortInUseError or RaplError with one sentence where it cannot begin.
    """
    with listening(options.host, options.port) as listener:
        page = Page(options)
        name = options.host if options.loopback or not options.hosts else options.hosts[0]
        address = url_of(name, listener)

        def announce() -> None:
            if not options.loopback:
                print(f"requests need the token in {options.data / TOKEN}", file=sys.stderr)
                mend = "put a proxy with TLS in front"
                print(PLAINTEXT.format(mend=mend), file=sys.stderr, flush=True)
            print(f"listening on {address}", flush=True)

        app = create_app(page, options, token=_token(options), on_ready=announce)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(app, listener, until_stdin_closes=options.until_stdin_closes))


def create_app(
    page: Page, options: ExporterOptions, *, token: str, on_ready: Callable[[], None] = lambda: None
) -> ASGIApp:
    """The application: `/metrics`, and a line that says so at `/`."""

    async def metrics(_: Request) -> Response:
        return Response(await asyncio.to_thread(page.text), media_type=MEDIA_TYPE)

    async def landing(_: Request) -> Response:
        return PlainTextResponse(LANDING)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        keeping_up = asyncio.create_task(_keep_up(page))
        on_ready()
        try:
            yield
        finally:
            keeping_up.cancel()
            with suppress(asyncio.CancelledError):
                await keeping_up

    app = Starlette(
        routes=[Route("/metrics", metrics), Route("/", landing)],
        lifespan=lifespan,
        exception_handlers=replies("the exporter"),
    )
    return Guard(app, options, Bearer(token))


async def _keep_up(page: Page) -> None:
    while True:
        await asyncio.sleep(KEEP_UP_SECONDS)
        await asyncio.to_thread(page.keep_up)


def _token(options: ExporterOptions) -> str:
    data = options.data
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        return token_of(data)
    except OSError as error:
        raise FedsightError(
            f"cannot write to the data directory {data}: {error.strerror or error};"
            " choose another with FEDSIGHT_DATA"
        ) from error
