"""`fedsight serve`: the services, each a process in the foreground."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from fedsight.cli.bridge import EXAMPLES as OF_BRIDGE
from fedsight.cli.bridge import bridge
from fedsight.cli.federation import EXAMPLES as OF_FEDERATION
from fedsight.cli.federation import federation
from fedsight.cli.forecast import EXAMPLES as OF_FORECAST
from fedsight.cli.forecast import forecast
from fedsight.cli.options import Config, log_to_stderr
from fedsight.cli.policy_service import EXAMPLES as OF_POLICY
from fedsight.cli.policy_service import policy
from fedsight.cli.superlink import EXAMPLES as OF_SUPERLINK
from fedsight.cli.superlink import superlink
from fedsight.cli.telemetry import OF_AGENT, OF_EXPORTER, agent, exporter
from fedsight.config import load

app = typer.Typer(no_args_is_help=True, help="Run a service in the foreground until Ctrl-C.")


@app.callback()
def root() -> None:
    """Run a service in the foreground until Ctrl-C."""


@app.command(epilog="Example: fedsight serve collector --port 9083")
def collector(
    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on.", show_default="127.0.0.1"),
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0: any free one.", show_default="8083")
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="Certificate (PEM) for TLS.", metavar="FILE")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="Its private key (PEM).", metavar="FILE")
    ] = None,
    shared: Annotated[
        bool, typer.Option("--shared", help="Let other collector processes listen on this port.")
    ] = False,
    reader: Annotated[
        bool,
        typer.Option("--reader", help="Only read a data directory that another process writes to."),
    ] = False,
    until_stdin_closes: Annotated[
        bool, typer.Option(help="End when standard input closes.", hidden=True)
    ] = False,
    config: Config = None,
) -> None:
    """Run the collector: it takes signals in, keeps them and serves the dashboard.

    Prints `listening on URL` once it does. Bound beyond loopback, every request needs the token of
    the data directory, and a one-time address for a browser is printed.
    """
    from fedsight.cli.collector_options import collector_options
    from fedsight.collector.service import run

    settings = load(config)
    log_to_stderr(settings.log.level)
    options = collector_options(settings, host=host, port=port, tls_cert=tls_cert, tls_key=tls_key)
    run(
        replace(options, shared=shared, reader=reader, until_stdin_closes=until_stdin_closes),
    )


app.command(epilog=OF_FEDERATION)(federation)
app.command(epilog=OF_SUPERLINK)(superlink)
app.command(epilog=OF_FORECAST)(forecast)
app.command(epilog=OF_EXPORTER)(exporter)
app.command(epilog=OF_AGENT)(agent)
app.command(epilog=OF_BRIDGE)(bridge)
app.command(epilog=OF_POLICY)(policy)
