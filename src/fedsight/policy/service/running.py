"""Runs a policy service as a process."""

from __future__ import annotations

import asyncio
import sys

import uvloop

from fedsight.door.hosts import PLAINTEXT
from fedsight.door.serving import listening, serve, url_of
from fedsight.door.token import TOKEN, token_in
from fedsight.policy.service.application import create_app
from fedsight.policy.service.options import PolicyOptions
from fedsight.policy.service.serving import Serving


def run(options: PolicyOptions) -> None:
    """Serve until SIGINT, SIGTERM or, where asked, the end of standard input.

    Prints `listening on URL` and nothing else to standard output. Raises PortInUseError,
    PolicyError, AuditError, StoreError, SettingsError or UsageError with one sentence where it
    cannot begin.
    """
    tls = None if options.tls is None else options.tls.context()
    with listening(options.host, options.port) as listener:
        service = Serving(options, token_in(options.data))
        name = options.host if options.loopback or not options.hosts else options.hosts[0]
        address = url_of(name, listener, options.scheme)

        def announce() -> None:
            if not options.loopback:
                _warn_beyond(options)
            for warning in service.deciding.force.engine.ruleset.warnings:
                print(f"fedsight: {warning}", file=sys.stderr, flush=True)
            print(f"listening on {address}", flush=True)

        app = create_app(service, on_ready=announce)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(app, listener, tls=tls, until_stdin_closes=options.until_stdin_closes))


def _warn_beyond(options: PolicyOptions) -> None:
    print(f"requests need a token: {options.data / TOKEN}, {options.tokens}", file=sys.stderr)
    if options.tls is None:
        mend = "name a certificate with --tls-cert and --tls-key"
        print(PLAINTEXT.format(mend=mend), file=sys.stderr, flush=True)
