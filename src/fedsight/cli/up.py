"""`fedsight up`: a whole federation on this machine, up until Ctrl-C."""

from __future__ import annotations

import importlib
import threading
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated

import httpx
import typer

from fedsight.cli.attached import answers, collector_url, make_writable
from fedsight.cli.interrupts import INTERRUPTS
from fedsight.cli.kept import collector
from fedsight.cli.options import Config
from fedsight.cli.ruling import Observe, Policy, Ruling, ruled
from fedsight.cli.screen import Screen
from fedsight.config import PORTS, Settings, load
from fedsight.errors import FedsightError, UsageError

if TYPE_CHECKING:
    from fedsight.federated.link.launch import Federation

EXAMPLES = """[bold]Examples[/]

fedsight up --nodes 4: then, elsewhere, fedsight run --superlink 127.0.0.1:8000 --nodes 4

fedsight up --nodes 4 --task digits --run: begins a run itself

fedsight up --nodes 4 --run --policy policy: governed
"""
DEFAULT_NODES = 2
MOST_NODES = 256
#: How long nodes may take to come, all together, and each a little.
ONLINE_SECONDS, ONLINE_SECONDS_A_NODE = 60.0, 1.0
LOOK_SECONDS = 0.1


def up(
    nodes: Annotated[int, typer.Option(help="How many nodes.")] = DEFAULT_NODES,
    task: Annotated[
        str | None, typer.Option(help="What they will train: it is loaded ahead.")
    ] = None,
    superlink_port: Annotated[
        int, typer.Option(help="The SuperLink's port; 0: any free one.")
    ] = PORTS["superlink"].number,
    port: Annotated[
        int | None,
        typer.Option(help="The dashboard's port; 0: any free one.", show_default="8083"),
    ] = None,
    apps: Annotated[
        bool, typer.Option("--apps", help="Let nodes run apps whose code the SuperLink sends.")
    ] = False,
    run: Annotated[
        bool, typer.Option("--run", help="Begin a run as soon as the nodes are there.")
    ] = False,
    policy: Policy = None,
    observe: Observe = False,
    config: Config = None,
) -> int:
    """Bring up a federation: a SuperLink, nodes, and the collector with its dashboard.

    All listen on this machine alone. What dies is started again. A run is begun from anywhere on
    it with the command that is printed, or here with --run, as the configuration says. With
    --policy it is governed, and so is whatever the printed commands begin.
    """
    settings = load(config)
    port = settings.collector.port if port is None else port
    for name, number in (("port", port), ("superlink-port", superlink_port)):
        if not 0 <= number <= 65535:
            raise UsageError(f"{name} must be a port number from 0 to 65535, got {number}")
    if not 1 <= nodes <= MOST_NODES:
        raise UsageError(f"nodes must be a whole number from 1 to {MOST_NODES}, got {nodes}")
    ruling = ruled(policy, observe)
    wanted = task or settings.run.task
    members = _members(settings, wanted, nodes)
    make_writable(settings.data)
    INTERRUPTS.listen()
    from fedsight.federated.link.launch import launched

    screen = Screen()
    tell = partial(screen.say, style="yellow")
    for warning in () if ruling is None else ruling.warnings():
        tell(warning)
    with launched(
        settings,
        members,
        task=wanted,
        port=superlink_port,
        apps=apps,
        collector=collector_url(settings, port) if port else None,
        tell=tell,
    ) as federation:
        screen.say(f"SuperLink at {federation.address}, logs in {settings.data / 'logs'}", "bold")
        if run:
            return _run(settings, federation, task, port, screen, ruling)
        _stay_up(settings, federation, task, port, screen, ruling)
    return 0


def _members(settings: Settings, task: str, nodes: int) -> int | dict[str, str]:
    """So many nodes; of a task of ours whose nodes have data of their own, the first that have.

    Raises UsageError where fewer have, or where there is no such task.
    """
    from fedsight.cli.placing import OWN, local_nodes
    from fedsight.cli.plan_options import plan
    from fedsight.tasks import BUILT_IN, defaults

    if defaults(task).get("partition") != OWN or task not in BUILT_IN:
        return nodes
    given = {"task": task, "nodes": nodes, "engine": "deployment"}
    return local_nodes(plan(settings.run, given, settings.windows_folder))


def _stay_up(
    settings: Settings,
    federation: Federation,
    task: str | None,
    port: int,
    screen: Screen,
    ruling: Ruling | None,
) -> None:
    """A dashboard beside the federation, until Ctrl-C."""
    attach = port != 0 and answers(settings, port)
    with collector(settings, port, attach, partial(screen.say, style="yellow")) as reached:
        screen.say(f"dashboard at {reached.url}", "bold")
        _wait_online(federation, screen)
        nodes, named = len(federation.names), "" if task is None else f" --task {task}"
        governed = "" if ruling is None else f" {ruling.flags()}"
        flags = f"--superlink {federation.address} --nodes {nodes}{named}{governed}"
        screen.say(f"begin a run: fedsight run {flags}")
        screen.say(f"steer from the browser: fedsight serve federation {flags}, fedsight login")
        try:
            screen.say("up until Ctrl-C")
            while True:
                time.sleep(LOOK_SECONDS)
        except KeyboardInterrupt:
            INTERRUPTS.leave()


def _run(
    settings: Settings,
    federation: Federation,
    task: str | None,
    port: int,
    screen: Screen,
    ruling: Ruling | None,
) -> int:
    """One run on these nodes; its dashboard and the federation stay up until Ctrl-C."""
    from fedsight.cli.plan_options import plan
    from fedsight.cli.reach import Reach
    from fedsight.cli.running import Asked, Running

    importing = threading.Thread(target=_import_training, name="import")
    importing.start()  # while the nodes come
    try:
        _wait_online(federation, screen)
    finally:
        importing.join()
    given = {"nodes": len(federation.names), "engine": "deployment"}
    given |= {} if task is None else {"task": task}
    asked = plan(settings.run, given, settings.windows_folder)
    running = Running(settings, Asked(asked, reach=Reach(federation.address)), screen)
    if ruling is not None:
        running.governed(ruling)
    outcome = running.run(port, stay=True, on_end=lambda *_: None)
    return 0 if outcome.state in {"finished", "stopped"} else 1


def _import_training() -> None:
    with suppress(ImportError, FedsightError):  # importing again, to train, tells it
        importlib.import_module("fedsight.federated.training")


def _wait_online(federation: Federation, screen: Screen) -> None:
    """Until all nodes have come. Raises FedsightError where they do not, saying why."""
    wanted, began = len(federation.names), time.monotonic()
    limit = ONLINE_SECONDS + wanted * ONLINE_SECONDS_A_NODE
    while (there := _online(federation.address)) < wanted:
        if federation.failure is not None:
            raise federation.failure
        if time.monotonic() - began > limit:
            raise FedsightError(
                f"{there} of {wanted} nodes came within {limit:.0f} s; see the logs of the others"
            )
        time.sleep(LOOK_SECONDS)
    screen.say(f"nodes online: {wanted}, after {time.monotonic() - began:.1f} s")


def _online(address: str) -> int:
    """How many nodes the SuperLink counts as online; 0 while it starts."""
    try:
        answer = httpx.get(f"http://{address}/fedsight/v1/nodes", timeout=30, trust_env=False)
        return sum(node["status"] == "online" for node in answer.json()["nodes"])
    except (httpx.HTTPError, ValueError, KeyError):
        return 0
