"""A warm node made from its options, serving until it is told to end: `fedsight node`."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import signal
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from flwr.app.user_config import UserConfigValue
from flwr.clientapp.typing import Mod

from fedsight.door.hosts import is_loopback
from fedsight.errors import FedsightError, UsageError
from fedsight.federated.link import identity, wire
from fedsight.federated.link.address import Address
from fedsight.federated.link.client_apps import ClientApps
from fedsight.federated.link.fleet_client import FleetClient
from fedsight.federated.link.identity import Identity
from fedsight.federated.link.node import Node
from fedsight.federated.node import introduction
from fedsight.federated.node.allowed import allow, tasks_of
from fedsight.federated.node.place import settle

WARM = "warm"
#: What is on its way when a node is told to end gets so long.
STOP_SECONDS = 3
#: A SuperLink that takes longer to go on is away: so soon a node notices that a cable is cut.
ANSWER_SECONDS = 20.0
_KEY = re.compile(r"[a-z][a-z0-9-]{0,63}")
_RESERVED = {
    *(introduction.PARTITION, introduction.PARTITIONS, introduction.NAME),
    *(introduction.TAGS, introduction.KIND, introduction.SAMPLES, introduction.CHOSEN),
}


@dataclass(frozen=True)
class NodeOptions:
    """All that makes a node; see `fedsight node --help`. Raises UsageError at construction.

    `source` is where the node's own data lies, for tasks whose nodes have such. `chosen`: the name
    is what somebody wants the node to be called, and no default.
    """

    superlink: Address
    name: str
    data: Path
    partition: int | None = None
    partitions: int | None = None
    tags: tuple[str, ...] = ()
    properties: Mapping[str, UserConfigValue] = field(default_factory=dict)
    key: Path | None = None
    root_cert: Path | None = None
    insecure: bool = False
    apps: bool = False
    tasks: tuple[str, ...] = ()
    source: Path | None = None
    chosen: bool = True

    def __post_init__(self) -> None:
        if (self.partition is None) != (self.partitions is None):
            raise UsageError("--partition and --of belong together: part I of N of the data")
        if self.partitions is not None and not 0 <= (self.partition or 0) < self.partitions:
            raise UsageError(
                f"partition must be a whole number from 0 and below {self.partitions},"
                f" got {self.partition}"
            )
        if not identity.NAME.fullmatch(self.name):
            raise UsageError(
                "a node's name must be letters, digits, '.', '_' and '-', at most 64,"
                f" got {self.name!r}"
            )
        tasks_of(self.tasks)

    def config(self) -> dict[str, UserConfigValue]:
        """The node's configuration as its ClientApp sees it."""
        said: dict[str, UserConfigValue] = {
            **self.properties,
            introduction.NAME: self.name,
            introduction.TAGS: ",".join(self.tags),
            introduction.KIND: WARM,
        }
        if not self.chosen:
            said[introduction.CHOSEN] = False
        if self.partition is not None and self.partitions is not None:
            said[introduction.PARTITION] = self.partition
            said[introduction.PARTITIONS] = self.partitions
        return said

    @property
    def folder(self) -> Path:
        """Where nodes of this data directory keep their keys."""
        return self.data / "nodes"


def properties_of(pairs: Iterable[str]) -> dict[str, UserConfigValue]:
    """`key=value` texts as a node's properties: numbers and true/false become such."""
    found: dict[str, UserConfigValue] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not _KEY.fullmatch(key) or not value:
            raise UsageError(f"property must be key=value, as in bandwidth-mbps=100, got {pair!r}")
        if key in _RESERVED:
            raise UsageError(f"property {key} is said with a flag of its own or measured")
        found[key] = _value(value)
    return found


def _value(text: str) -> UserConfigValue:
    if text in {"true", "false"}:
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def is_plaintext(superlink: Address, root_cert: Path | None, insecure: bool) -> bool:
    """Whether to speak plaintext: by itself only to this machine, elsewhere where it is said."""
    if root_cert is not None or not is_loopback(superlink.host):
        return insecure
    return True


def serve(
    options: NodeOptions,
    who: Identity | None = None,
    memory: Path | None = None,
    mod: Mod | None = None,
) -> None:
    """Be that node until SIGTERM or Ctrl-C. Raises FedsightError where it is refused.

    `who` is an identity that is kept elsewhere, and its id in the file `memory`; else it is the
    key file's, or the name's own. `mod` stands around every app that it runs.
    """
    allow(options.tasks)
    settle(options.source, options.data / "personal" / options.name)
    _prepare()
    options.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ExitStack() as stack:
        if who is not None:
            pass
        elif options.key is None:
            stack.enter_context(alone(options.folder, options.name))
            who = identity.kept(options.folder, options.name)
        else:
            who = identity.read(options.key)
        plaintext = is_plaintext(options.superlink, options.root_cert, options.insecure)
        tls = wire.trust(options.root_cert, plaintext)
        memory = memory or options.folder / f"{who.fingerprint}.id"
        way = wire.Wire(options.superlink, tls, ANSWER_SECONDS)
        client = FleetClient(way, who, memory, name=options.name, chosen=options.chosen)
        apps = ClientApps(options.data / "apps", options.apps)
        node = Node(client, apps, options.config(), mod)
        log = logging.getLogger("fedsight.node")
        log.info("%s: key %s, SuperLink at %s", options.name, who.fingerprint, options.superlink)
        if plaintext and not is_loopback(options.superlink.host):
            log.warning("in plaintext: whoever is on the way can read and change the models")
        _end_with(node)
        node.run()
        signal.alarm(0)  # nothing is left that could take long


def _prepare() -> None:
    """One thread a node: more of them make several nodes on one machine slower, and unequal."""
    os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
    import torch

    import fedsight.federated.node.client  # noqa: F401 (so that the first question is answered at once)

    torch.set_num_threads(1)


def _end_with(node: Node) -> None:
    """A first signal ends the node gently, a second or `STOP_SECONDS` at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        node.stop()
        signal.signal(number, lambda *_: os._exit(1))
        signal.signal(signal.SIGALRM, lambda *_: os._exit(1))
        signal.alarm(STOP_SECONDS)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


@contextmanager
def alone(folder: Path, name: str) -> Iterator[None]:
    """Only one process is the node of that name: two with one key would share its messages."""
    with (folder / f"{name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise FedsightError(
                f"a node called {name} runs on the data directory {folder.parent} already;"
                " choose another --name"
            ) from None
        yield
