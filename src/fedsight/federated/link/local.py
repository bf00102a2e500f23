"""A federation on this machine: `python -m fedsight.federated.link.local`, see `launch`.

It reads its plan as one line of JSON, and ends when its standard input closes: with whoever
started it, however that ends. What happens it tells on standard output, one JSON object a line.
The SuperLink's socket is opened here and outlives it, so that nodes and trainer that come while
it starts, or starts again, wait for an answer instead of being turned away.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fedsight.config import LOOPBACK
from fedsight.config.trust import Trust
from fedsight.door.serving import listening
from fedsight.door.token import token_of
from fedsight.errors import FedsightError, UsageError
from fedsight.federated.link.nursery import Child, Nursery

if TYPE_CHECKING:
    from fedsight.federated.link.reports import Refusal

SUPERLINK = "superlink"


@dataclass(frozen=True)
class LocalPlan:
    """What to run: see `launch.launched`."""

    data: str
    level: str
    names: tuple[str, ...]
    port: int
    sources: tuple[str, ...] = ()
    task: str | None = None
    database: str | None = None
    apps: bool = False
    again: bool = True
    journals: str | None = None
    collector: str | None = None
    collector_ca: str | None = None
    collector_cert: str | None = None

    @property
    def trust(self) -> Trust:
        """Whom to trust as the collector."""
        ca, cert = self.collector_ca, self.collector_cert
        return Trust(None if ca is None else Path(ca), None if cert is None else Path(cert))

    @property
    def logs(self) -> Path:
        """The folder of logs."""
        return Path(self.data) / "logs"


def main() -> None:
    """Run the plan on standard input until that closes."""
    said = json.loads(sys.stdin.readline() or "null")
    if said is None:
        return
    plan = LocalPlan(**{**said, "names": tuple(said["names"]), "sources": tuple(said["sources"])})
    try:
        listener = listening(LOOPBACK, plan.port)
    except FedsightError as error:
        say(failed=str(error))
        return
    say(listening=f"{LOOPBACK}:{listener.getsockname()[1]}")
    nursery = Nursery(plan.level, _tell)
    with tempfile.TemporaryDirectory(prefix="fedsight-") as folder:
        try:
            import flwr.app  # noqa: F401 (both need it)

            nursery.begin(_superlink(plan, listener))  # while it starts, we import
            _import(plan.task)
            for part in range(len(plan.names)):
                nursery.begin(_node(plan, listener, part, Path(folder) / f"{part}.id"))
            nursery.look_after()
        except FedsightError as error:
            say(failed=str(error), usage=isinstance(error, UsageError))
        finally:
            nursery.end()


def say(**told: Any) -> None:
    """Tell whoever started us; they may be gone."""
    try:
        print(json.dumps(told), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _tell(child: Child, what: str) -> None:
    say(child=child.name, pid=child.pid, what=what, again=child.again)


def _superlink(plan: LocalPlan, listener: socket.socket) -> Child:
    def run() -> None:
        from fedsight.federated.link.superlink import SuperLink, SuperLinkOptions

        database = None if plan.database is None else Path(plan.database)
        port = listener.getsockname()[1]
        with _refusals(plan) as note:
            SuperLink(SuperLinkOptions(LOOPBACK, port, database), listener, note).run()

    return Child(SUPERLINK, run, plan.logs / f"{SUPERLINK}.log", plan.again, last=True)


@contextmanager
def _refusals(plan: LocalPlan) -> Iterator[Callable[[Refusal], object]]:
    """What journals those whom the SuperLink turns away, as `fedsight serve superlink` does."""
    if plan.journals is None:
        yield lambda _: None
        return
    from fedsight.federated.link.refusal_journal import RefusalJournal
    from fedsight.journal.proven import ProvenSink

    with ExitStack() as stack:
        sink = None
        if plan.collector is not None:
            data = Path(plan.data)
            sink = ProvenSink(plan.collector, data, token_of(data), plan.trust.verify())
            stack.callback(sink.close)
        journal = RefusalJournal(Path(plan.journals), sink)
        stack.callback(journal.close)
        yield journal.note


def _node(plan: LocalPlan, listener: socket.socket, part: int, memory: Path) -> Child:
    """One of the nodes; its key lives as long as we do, so that it comes back as the same node."""
    name = plan.names[part]
    from fedsight.federated.link import identity
    from fedsight.federated.link.address import Address
    from fedsight.federated.link.warm import NodeOptions, serve

    options = NodeOptions(
        superlink=Address(LOOPBACK, listener.getsockname()[1]),
        name=name,
        data=Path(plan.data),
        partition=part,
        partitions=len(plan.names),
        apps=plan.apps,
        source=Path(plan.sources[part]) if any(plan.sources) else None,
        tasks=() if plan.task is None else (plan.task,),
    )
    who = identity.fresh()

    def run() -> None:
        listener.close()
        serve(options, who, memory)

    return Child(name, run, plan.logs / f"node-{part}.log", plan.again)


def _import(task: str | None) -> None:
    """Have everything that a node needs for its first round, the data of a task of ours, too."""
    import torch

    from fedsight.tasks import BUILT_IN, Partition, Placed, load

    torch.set_num_threads(1)
    weight = torch.nn.Parameter(torch.zeros(1))
    torch.optim.SGD([weight]).step()  # imports a second's worth of torch when it is first used
    if task is not None:
        found = load(task)
        if task in BUILT_IN and not isinstance(found, Placed):
            found.data(Partition(0, 1, "iid", 1.0, 0))


if __name__ == "__main__":
    main()
