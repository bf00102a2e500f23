"""`fedsight serve federation`: the FL server."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fedsight.cli.attached import collector_url
from fedsight.cli.options import Config, log_to_stderr
from fedsight.cli.placing import completed, local_nodes
from fedsight.cli.reach import Reach, linked
from fedsight.cli.ruling import Observe, Policy, Ruling, ruled
from fedsight.config import Settings, load
from fedsight.errors import UsageError

if TYPE_CHECKING:
    from fedsight.federated.api.options import FederationOptions
    from fedsight.federated.api.trained import Rule, Way
    from fedsight.federated.plan import Plan

logger = logging.getLogger(__name__)

EXAMPLES = """Examples, where TOKEN holds the file `token` of the data directory:

fedsight serve federation --task digits --nodes 5

fedsight serve federation --engine deployment --nodes 4

fedsight serve federation --superlink 127.0.0.1:8000

fedsight serve federation --policy policy

curl -X POST -H "Authorization: Bearer $TOKEN" --json '{}' http://127.0.0.1:8081/start

curl http://127.0.0.1:8081/status
"""

SuperLink_ = Annotated[
    str | None,
    typer.Option(help="Use the nodes of this SuperLink.", metavar="HOST:PORT"),
]

RootCert = Annotated[
    Path | None,
    typer.Option(help="Certificate of the authority that vouches for the SuperLink."),
]

TokenFile = Annotated[
    Path | None,
    typer.Option(help="What a SuperLink on another machine asks for.", show_default="DATA/token"),
]


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
        int | None, typer.Option(help="How many nodes share the data.", show_default="run.nodes")
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            help="Nodes in this process (simulation), or in processes of their own (deployment).",
            show_default="run.engine",
        ),
    ] = None,
    superlink: SuperLink_ = None,
    root_cert: RootCert = None,
    token_file: TokenFile = None,
    policy: Policy = None,
    observe: Observe = False,
    until_stdin_closes: Annotated[
        bool, typer.Option(help="End when standard input closes.", hidden=True)
    ] = False,
    config: Config = None,
) -> None:
    """Run the FL server: training runs are started, steered and watched over HTTP, one at a time.

    Prints `listening on URL` once it does. What a run does where its start does not say comes from
    the tables federation and run of the configuration. Runs are journaled in the data directory and
    shipped to its collector while one answers. With --policy each of them is governed. Changes need
    the token of the data directory; bound beyond loopback, every request does. Ctrl-C ends the run
    that goes on, too.
    """
    from fedsight.federated.api.service import run

    settings = load(config)
    log_to_stderr(settings.log.level)
    if superlink is not None:
        engine = engine or "deployment"
    here = superlink is None
    plan = _plan(settings, here, task=task, nodes=nodes, engine=engine)
    reach = Reach(superlink, root_cert, token_file)
    ruling = ruled(policy, observe)
    options = _options(settings, plan, host, port, until_stdin_closes)
    for warning in () if ruling is None else ruling.warnings():
        logger.warning("%s", warning)
    if ruling is not None and not ruling.remote:
        options = replace(options, rules=Path(ruling.where), observe=ruling.observe)
    with _link(settings, plan, reach) as link:
        decides = None if ruling is None else ruling.decider(settings)
        run(options, link, _rule(settings, ruling), decides)


def _rule(settings: Settings, ruling: Ruling | None) -> Rule | None:
    """What governs each run."""
    return None if ruling is None else lambda journal: ruling.governing(settings, journal)


def _options(
    settings: Settings, plan: Plan, host: str | None, port: int | None, until_stdin_closes: bool
) -> FederationOptions:
    from fedsight.federated.api.options import FederationOptions

    own, collector = settings.federation, settings.collector
    return FederationOptions(
        data=settings.data,
        plan=plan,
        keep=settings.models.keep,
        host=own.host if host is None else host,
        port=own.port if port is None else port,
        hosts=own.hosts,
        collector=collector_url(settings, collector.port),
        trust=collector.trust,
        journal_bytes=settings.journal.max_bytes,
        until_stdin_closes=until_stdin_closes,
        rules=settings.policy.rules,
        observe=settings.policy.observe,
    )


@contextmanager
def _link(settings: Settings, plan: Plan, reach: Reach) -> Iterator[Way | None]:
    """The way to the nodes, None where they are simulated; nodes of our own end with it."""
    if plan.engine == "simulation":
        if reach.superlink is not None:
            raise UsageError("a SuperLink has nothing to do in a simulation: leave one of them out")
        yield None
        return
    if reach.superlink is not None:
        named = linked(reach, settings.data)
        yield lambda: named
        return
    from fedsight.federated.link.launch import launched

    def tell(sentence: str) -> None:
        logger.warning("%s", sentence)

    with launched(settings, local_nodes(plan), task=plan.task, tell=tell) as federation:
        logger.info("%d nodes at SuperLink %s", len(federation.names), federation.address)
        ours = Reach(federation.address)
        yield lambda: replace(linked(ours, settings.data), expected=len(federation.names))


def _plan(settings: Settings, here: bool, **given: str | int | None) -> Plan:
    """What a run does where nobody says otherwise: [run], [federation] over it, flags over both."""
    from fedsight.federated.plan import Plan

    own = settings.federation
    names = {
        "min_clients": "min_clients",
        "rounds": "max_rounds",
        "algorithm": "aggregation_strategy",
        "fraction": "client_fraction",
    }
    of_server = {key: getattr(own, name) for key, name in names.items()}
    asked = {name: value for name, value in given.items() if value is not None}
    said = {key for key, name in names.items() if name in own.model_fields_set}
    said |= settings.run.model_fields_set - set(names) | asked.keys()
    known = {**settings.run.model_dump(), **of_server, **asked}
    return Plan.of(completed(known, said, settings.windows_folder, here=here))
