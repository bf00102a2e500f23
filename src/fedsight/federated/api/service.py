"""Runs an FL server as a process."""

from __future__ import annotations

import asyncio
import importlib
import sys
import threading
from contextlib import suppress

import uvloop

from fedsight.door.hosts import PLAINTEXT
from fedsight.door.serving import listening, serve, url_of
from fedsight.door.token import TOKEN, token_in
from fedsight.errors import FedsightError
from fedsight.federated.api.application import create_app
from fedsight.federated.api.options import FederationOptions
from fedsight.federated.api.server import Server
from fedsight.federated.api.trained import Rule, Trained, Way
from fedsight.federated.deciding import Decider

__all__ = ["FederationOptions", "run"]


def run(
    options: FederationOptions,
    link: Way | None = None,
    rule: Rule | None = None,
    decides: Decider | None = None,
) -> None:
    """Serve until SIGINT, SIGTERM or, where asked, the end of standard input.

    A run that goes on is then ended as stopped. `rule` governs every run, `decides` is asked before
    it. Prints `listening on http://HOST:PORT` and nothing else to standard output. Raises
    PortInUseError or StoreError with one sentence where it cannot begin.
    """
    with listening(options.host, options.port) as listener:
        token = token_in(options.data)
        server = Server.of(options, Trained(options, token, link, rule), decides)
        threading.Thread(target=_load_training, name="import", daemon=True).start()
        address = url_of(_name(options), listener)

        def announce() -> None:
            if not options.loopback:
                _warn_beyond(options)
            print(f"listening on {address}", flush=True)

        app = create_app(server, token, on_ready=announce)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(
                serve(
                    app,
                    listener,
                    until_stdin_closes=options.until_stdin_closes,
                    on_stop=server.end,
                )
            )


def _name(options: FederationOptions) -> str:
    return options.host if options.loopback or not options.hosts else options.hosts[0]


def _warn_beyond(options: FederationOptions) -> None:
    print(f"requests need the token in {options.data / TOKEN}", file=sys.stderr)
    print(PLAINTEXT.format(mend="put a proxy with TLS in front"), file=sys.stderr, flush=True)


def _load_training() -> None:
    """Import torch and flwr before the first run wants them: both take seconds."""
    with suppress(ImportError, FedsightError):  # importing again, at the start of a run, tells it
        importlib.import_module("fedsight.federated.training")
