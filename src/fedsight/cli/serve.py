"""`fedsight serve`: the services, each a process in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fedsight.cli.federation import EXAMPLES as OF_FEDERATION
from fedsight.cli.federation import federation
from fedsight.cli.options import Config, log_to_stderr
from fedsight.cli.superlink import EXAMPLES as OF_SUPERLINK
from fedsight.cli.superlink import superlink
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
    from fedsight.cli.alert_options import alert_options
    from fedsight.cli.anomaly_options import anomaly_options
    from fedsight.cli.backend_options import backend_options
    from fedsight.cli.elastic import search_server
    from fedsight.cli.monitoring import fl_server_url, monitor_plan
    from fedsight.cli.store_options import upkeeping
    from fedsight.collector.options import CollectorOptions
    from fedsight.collector.service import run
    from fedsight.door.tls import Tls

    settings = load(config)
    log_to_stderr(settings.log.level)
    own = settings.collector
    tls = Tls.of(tls_cert or own.tls_cert, tls_key or own.tls_key)
    run(
        CollectorOptions(
            data=settings.data,
            host=settings.collector.host if host is None else host,
            port=settings.collector.port if port is None else port,
            hosts=settings.collector.hosts,
            shared=shared,
            reader=reader,
            until_stdin_closes=until_stdin_closes,
            journal_keep_days=settings.journal.keep_days,
            fl_server_url=fl_server_url(settings),
            upkeep=upkeeping(settings),
            monitors=monitor_plan(settings),
            alerts=alert_options(settings),
            tls=tls,
            anomalies=anomaly_options(settings),
            export_keep_days=settings.export.retention_days,
            export_bytes=settings.export.max_bytes,
            elasticsearch=search_server(settings),
            backends=backend_options(settings),
        )
    )


app.command(epilog=OF_FEDERATION)(federation)
app.command(epilog=OF_SUPERLINK)(superlink)
