"""Runs a forecaster as a process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

import torch
import uvloop

from fedsight.door.hosts import PLAINTEXT
from fedsight.door.serving import listening, serve, url_of
from fedsight.door.token import TOKEN, token_in
from fedsight.forecast.service.application import create_app
from fedsight.forecast.service.forecasting import Forecasting
from fedsight.forecast.service.options import ForecastOptions


def run(options: ForecastOptions, made: Callable[[str], Forecasting]) -> None:
    """Serve until SIGINT, SIGTERM or, where asked, the end of standard input.

    `made` gives the forecaster, told the token of the data directory. Prints `listening on
    http://HOST:PORT` and nothing else to standard output. Raises PortInUseError, StoreError or
    JournalError with one sentence where it cannot begin.
    """
    with listening(options.host, options.port) as listener:
        token = token_in(options.data)
        torch.set_num_threads(1)  # one small batch at a time: more threads only wait for each other
        name = options.host if options.loopback or not options.hosts else options.hosts[0]
        address = url_of(name, listener)

        def announce() -> None:
            if not options.loopback:
                _warn_beyond(options)
            print(f"listening on {address}", flush=True)

        app = create_app(made(token), token, on_ready=announce)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(app, listener, until_stdin_closes=options.until_stdin_closes))


def _warn_beyond(options: ForecastOptions) -> None:
    print(f"requests need the token in {options.data / TOKEN}", file=sys.stderr)
    print(PLAINTEXT.format(mend="put a proxy with TLS in front"), file=sys.stderr, flush=True)
