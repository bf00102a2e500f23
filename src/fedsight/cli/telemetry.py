"""`fedsight serve exporter` and `fedsight serve agent`: a node's figures, and their way out."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Annotated

import typer

from fedsight.cli.options import Config, log_to_stderr
from fedsight.config import Settings, load

if TYPE_CHECKING:
    from fedsight.telemetry.agent.options import AgentOptions

OF_AGENT = """Examples:

fedsight serve agent

fedsight serve agent --endpoint https://bridge.example:4317

curl http://127.0.0.1:8085/metrics
"""
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


def agent(
    endpoint: Annotated[
        str | None,
        typer.Option(
            help="Address of the bridge; https:// is TLS.",
            show_default="http://127.0.0.1:4317",
            metavar="URL",
        ),
    ] = None,
    node: Annotated[
        str | None, typer.Option(help="The node's name.", show_default="the host's")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(help="Port of its own figures; 0: any free one.", show_default="8085"),
    ] = None,
    until_stdin_closes: Annotated[
        bool, typer.Option(help="End when standard input closes.", hidden=True)
    ] = False,
    config: Config = None,
) -> None:
    """Scrape this node's exporter every 3 s, and send that to a bridge every 180 s.

    Prints `listening on URL` once its own figures are told there. What was scraped waits on disk
    until the bridge has it, whatever becomes of either. One node has one agent.
    """
    from fedsight import __version__
    from fedsight.errors import MissingExtraError
    from fedsight.telemetry.figures_page import Where

    try:
        from fedsight.telemetry.agent.service import run
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"the package {error.name}", "telemetry") from error
    settings = load(config)
    log_to_stderr(settings.log.level)
    own = settings.agent
    where = Where(
        data=settings.data,
        host=own.host,
        port=own.port if port is None else port,
        until_stdin_closes=until_stdin_closes,
    )
    run(where, _agent_options(settings, endpoint, node), __version__)


def _agent_options(settings: Settings, endpoint: str | None, node: str | None) -> AgentOptions:
    from fedsight.door.token import token_in
    from fedsight.telemetry.agent.bridge import Endpoint
    from fedsight.telemetry.agent.options import AgentOptions, Target

    own, host = settings.agent, socket.gethostname()
    targets = (
        Target(each.name, each.url, each.interval_seconds or own.interval_seconds, each.token_file)
        for each in own.targets
    )
    return AgentOptions(
        node=node or own.node or host,
        host_name=host,
        targets=tuple(targets),
        endpoint=Endpoint(
            endpoint or own.endpoint,
            authority=own.tls_ca,
            token_file=own.token_file,
            own_token=lambda: token_in(settings.data),
        ),
        queue=own.queue or settings.data / "agent",
        scrape_timeout=own.scrape_timeout_seconds,
        batch=own.batch_seconds,
        send_timeout=own.send_timeout_seconds,
        queue_bytes=own.queue_bytes,
    )
