"""`fedsight serve exporter` and `fedsight serve agent`: a node's figures, and their way out."""

from __future__ import annotations

from typing import Annotated

import typer

from fedsight.cli.options import Config, log_to_stderr
from fedsight.config import load

OF_EXPORTER = """Examples:

fedsight serve exporter

curl http://127.0.0.1:8080/metrics
"""


def exporter(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0: any free one.", show_default="8080")
    ] = None,
    until_stdin_closes: Annotated[
        bool, typer.Option(help="End when standard input closes.", hidden=True)
    ] = False,
    config: Config = None,
) -> None:
    """Tell this machine's power, load and memory under Scaphandre's names, for Prometheus.

    Prints `listening on URL` once it does. Power is RAPL's where the kernel has it, else a model of
    the load that is marked as such. Bound beyond loopback, every request needs the token of the
    data directory.
    """
    from fedsight.telemetry.exporter.options import ExporterOptions
    from fedsight.telemetry.exporter.service import run
    from fedsight.telemetry.figures_page import Where

    settings = load(config)
    log_to_stderr(settings.log.level)
    own = settings.exporter
    where = Where(
        data=settings.data,
        host=own.host if host is None else host,
        port=own.port if port is None else port,
        hosts=own.hosts,
        until_stdin_closes=until_stdin_closes,
    )
    options = ExporterOptions(
        power=own.power,
        powercap=own.powercap,
        idle_watts=own.idle_watts,
        tdp_watts=own.tdp_watts,
        processes=own.processes,
        process_names=own.process_names,
    )
    run(where, options)
