"""`fedsight serve federation`: the FL server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fedsight.cli.attached import reachable
from fedsight.cli.options import Config, log_to_stderr
from fedsight.config import Settings, load

if TYPE_CHECKING:
    from fedsight.federated.plan import Plan

EXAMPLES = """Examples, where TOKEN holds the file `token` of the data directory:

fedsight serve federation --task digits --nodes 5

curl -X POST -H "Authorization: Bearer $TOKEN" --json '{}' http://127.0.0.1:8081/start

curl http://127.0.0.1:8081/status
"""


def federation(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0: any free one.", show_default="8081")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help="What runs train where they do not say.", show_default="run.task"),
    ] = None,
    nodes: Annotated[
        int | None, typer.Option(help="How many nodes are simulated.", show_default="run.nodes")
    ] = None,
    until_stdin_closes: Annotated[
        bool, typer.Option(help="End when standard input closes.", hidden=True)
    ] = False,
    config: Config = None,
) -> None:
    """Run the FL server: training runs are started, steered and watched over HTTP, one at a time.

    Prints `listening on URL` once it does. What a run does where its start does not say comes from
    the tables federation and run of the configuration. Runs are journaled in the data directory and
    shipped to its collector while one answers. Changes need the token of the data directory; bound
    beyond loopback, every request does. Ctrl-C ends the run that goes on, too.
    """
    from fedsight.federated.api.service import FederationOptions, run

    settings = load(config)
    log_to_stderr(settings.log.level)
    own, collector = settings.federation, settings.collector
    run(
        FederationOptions(
            data=settings.data,
            plan=_plan(settings, task=task, nodes=nodes),
            keep=settings.models.keep,
            host=own.host if host is None else host,
            port=own.port if port is None else port,
            hosts=own.hosts,
            collector=f"http://{reachable(collector.host)}:{collector.port}",
            journal_bytes=settings.journal.max_bytes,
            until_stdin_closes=until_stdin_closes,
        )
    )


def _plan(settings: Settings, **given: str | int | None) -> Plan:
    """What a run does where nobody says otherwise: [run], [federation] over it, flags over both."""
    from fedsight.federated.plan import Plan

    own = settings.federation
    of_server = {
        "min_clients": own.min_clients,
        "rounds": own.max_rounds,
        "algorithm": own.aggregation_strategy,
        "fraction": own.client_fraction,
    }
    said = {name: value for name, value in given.items() if value is not None}
    return Plan.of({**settings.run.model_dump(), **of_server, **said})
