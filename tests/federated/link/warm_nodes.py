"""Warm nodes in threads, and apps of others for them to run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fedsight.federated.link import identity
from fedsight.federated.link.address import Address
from fedsight.federated.link.client_apps import ClientApps
from fedsight.federated.link.fleet_client import FleetClient
from fedsight.federated.link.identity import Identity
from fedsight.federated.link.node import Node
from fedsight.federated.link.warm import NodeOptions
from fedsight.federated.link.wire import Wire

#: An app that counts its messages, fails, or takes the seconds that the run's configuration says.
APP = """
import time

from flwr.app import ConfigRecord, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()
WORD = "{word}"


@app.train()
def train(message, context):
    if context.run_config.get("fails"):
        raise ValueError("no data for this node")
    time.sleep(context.run_config.get("seconds", 0))
    told = context.state.setdefault("told", ConfigRecord({{"times": 0}}))
    told["times"] += 1
    said = ConfigRecord({{"times": told["times"], "word": WORD, **context.node_config}})
    return Message(RecordDict({{"said": said}}), reply_to=message)
"""


def app_source(word: str = "first") -> dict[str, str]:
    """The app's files; `word` is what it says."""
    return {"tried/__init__.py": "", "tried/client.py": APP.format(word=word)}


CLIENT = "tried.client:app"


@dataclass
class Running:
    """A node in a thread; `error` is what ended it, if that was one."""

    node: Node
    thread: threading.Thread
    errors: list[BaseException] = field(default_factory=list)

    def ended(self, within: float = 15.0) -> BaseException | None:
        """What ended it; fails where it has not ended in time."""
        self.thread.join(within)
        assert not self.thread.is_alive()
        return self.errors[0] if self.errors else None


@contextmanager
def warm_node(
    address: Address,
    folder: Path,
    name: str = "client-0",
    *,
    apps: bool = False,
    who: Identity | None = None,
    memory: Path | None = None,
    partition: int | None = None,
    partitions: int | None = None,
) -> Iterator[Running]:
    """A node that serves until the end of the block."""
    options = NodeOptions(
        superlink=address,
        name=name,
        data=folder,
        partition=partition,
        partitions=partitions,
        tags=("edge",),
        properties={"bandwidth-mbps": 20},
    )
    client = FleetClient(Wire(address, None), who or identity.fresh(), memory)
    node = Node(client, ClientApps(folder / "apps", apps), options.config())
    errors: list[BaseException] = []

    def serve() -> None:
        try:
            node.run()
        except Exception as error:  # the test looks at it
            errors.append(error)

    running = Running(node, threading.Thread(target=serve, name=name, daemon=True), errors)
    running.thread.start()
    try:
        yield running
    finally:
        node.stop()
        running.thread.join(15)


def until(found: Callable[[], bool], within: float = 20.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + within
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.02)
