"""Starts a federation on this machine, and ends it: a SuperLink and its nodes.

They run in processes of their own, forked from one that imported torch and Flower (`local`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue

from fedsight.config import Settings
from fedsight.errors import FedsightError, UsageError
from fedsight.federated.link.local import SUPERLINK, LocalPlan
from fedsight.starting import command

START_SECONDS = 30.0
STOP_SECONDS = 12.0
LOG = "federation.log"
#: One thread a node, and none before they are forked.
OMP_NUM_THREADS, OPENBLAS_NUM_THREADS = "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"


@dataclass
class Federation:
    """A SuperLink at `address` (HOST:PORT) and nodes called `names`, in the order of their parts.

    `pids` are those of the processes that live, by name; the SuperLink's is called "superlink".
    `failure` is why there will be no nodes; `closing` is set while it is being ended.
    """

    address: str
    names: tuple[str, ...]
    pids: dict[str, int] = field(default_factory=dict)
    failure: FedsightError | None = None
    closing: threading.Event = field(default_factory=threading.Event)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def node_pid(self, part: int) -> int:
        """The process of the node with that part of the data; 0 where it is not running."""
        return self.pids.get(self.names[part], 0)

    def kill_node(self, part: int, number: int = signal.SIGKILL) -> None:
        """Send a node a signal."""
        self._kill(self.names[part], number)

    def kill_superlink(self, number: int = signal.SIGKILL) -> None:
        """Send the SuperLink a signal."""
        self._kill(SUPERLINK, number)

    def started(self, within: float = START_SECONDS) -> bool:
        """Wait until every process has been started; whether it was within so many seconds."""
        wanted = {SUPERLINK, *self.names}
        with self._changed:
            return self._changed.wait_for(lambda: wanted <= set(self.pids), within)

    def now(self, name: str, pid: int) -> None:
        """A process was started, or (pid 0) has ended."""
        with self._changed:
            if pid:
                self.pids[name] = pid
            else:
                self.pids.pop(name, None)
            self._changed.notify_all()

    def _kill(self, name: str, number: int) -> None:
        pid = self.pids.get(name)
        if not pid:
            raise FedsightError(f"{name} is not running")
        os.kill(pid, number)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


@contextmanager
def launched(
    settings: Settings,
    nodes: int | Mapping[str, str],
    *,
    task: str | None = None,
    port: int = 0,
    apps: bool = False,
    again: bool = True,
    database: Path | None = None,
    collector: str | None = None,
    tell: Callable[[str], object] = lambda _: None,
    meanwhile: Callable[[], object] = lambda: None,
) -> Iterator[Federation]:
    """A federation of `nodes` nodes called client-0, client-1, ..., ended at the end.

    Given names and where each node's own data lies, its nodes are called so, and each is told of
    its own data alone.

    It is there as soon as the SuperLink's port is open, while its processes still start. `task`
    is imported ahead, and is the only one beside fedsight's own that nodes load; `apps` lets them
    run apps that are not fedsight's own, `again` starts what dies anew, `database` keeps the
    SuperLink's state on disk, and `tell` is told in a sentence what dies (from another thread).
    Requests that the SuperLink turns away are journaled in the data directory; `collector` is the
    URL of whoever is sent them at once. `meanwhile` is called once, as soon as the first process
    has been started. Port 0: any free one.
    Raises FedsightError where the port is taken, or where it cannot be started.
    """
    named = {f"client-{part}": "" for part in range(nodes)} if isinstance(nodes, int) else nodes
    plan = LocalPlan(
        data=str(settings.data),
        level=settings.log.level,
        names=tuple(named),
        sources=tuple(named.values()),
        port=port,
        task=task,
        database=None if database is None else str(database),
        apps=apps,
        again=again,
        journals=str(settings.journals),
        collector=collector,
        collector_ca=_text(settings.collector.tls_ca),
        collector_cert=_text(settings.collector.tls_cert),
    )
    plan.logs.mkdir(parents=True, exist_ok=True, mode=0o700)
    child = _started(plan)
    try:
        meanwhile()
        federation, lines = _listening(child, plan)
        reader = threading.Thread(
            target=_follow, args=(lines, federation, plan, tell), name="federation", daemon=True
        )
        reader.start()
        try:
            yield federation
        finally:
            federation.closing.set()
    finally:
        _stop(child)


def _started(plan: LocalPlan) -> subprocess.Popen[bytes]:
    """The process that has the federation as children, in a session of its own: Ctrl-C is ours."""
    environment = {
        **os.environ,
        OMP_NUM_THREADS: "1",
        OPENBLAS_NUM_THREADS: "1",
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
    }
    with (plan.logs / LOG).open("ab") as log:
        child = subprocess.Popen(
            command("fedsight.federated.link.local"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            env=environment,
        )
    hand_over(child, plan)
    return child


def hand_over(child: subprocess.Popen[bytes], plan: LocalPlan) -> None:
    """Give a process its plan. Raises FedsightError where it has died already."""
    assert child.stdin is not None
    try:
        child.stdin.write(json.dumps(asdict(plan)).encode() + b"\n")
        child.stdin.flush()
    except BrokenPipeError:
        with suppress(BrokenPipeError):
            child.stdin.close()
        code = child.wait()
        raise FedsightError(
            f"the federation did not start: its process ended at once (exit code {code});"
            f" see {plan.logs / LOG}"
        ) from None


Lines = SimpleQueue[bytes]


def _listening(child: subprocess.Popen[bytes], plan: LocalPlan) -> tuple[Federation, Lines]:
    lines: Lines = SimpleQueue()
    threading.Thread(target=_read, args=(child, lines), name="federation-out", daemon=True).start()
    try:
        said = json.loads(lines.get(timeout=START_SECONDS) or b"{}")
    except Empty:
        said = {}
    if "listening" in said:
        return Federation(said["listening"], plan.names), lines
    why = said.get("failed") or f"see {plan.logs / LOG}"
    raise FedsightError(f"the federation did not start: {why}")


def _read(child: subprocess.Popen[bytes], lines: Lines) -> None:
    assert child.stdout is not None
    with child.stdout as said:
        for line in said:
            lines.put(line)
    lines.put(b"")


def _follow(
    lines: Lines, federation: Federation, plan: LocalPlan, tell: Callable[[str], object]
) -> None:
    """Keep account of the processes, and tell what dies."""
    while line := lines.get():
        said = json.loads(line)
        if "failed" in said:
            failure = UsageError if said["usage"] else FedsightError
            federation.failure = failure(said["failed"])
            tell(f"the nodes did not start: {said['failed']}")
            continue
        federation.now(said["child"], said["pid"])
        if said["pid"] == 0 and not federation.closing.is_set():
            what = "the SuperLink" if said["child"] == SUPERLINK else f"node {said['child']}"
            then = "; it is started again" if said["again"] else f", see {plan.logs}"
            tell(f"{what} ended by itself ({said['what']}){then}")


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End the federation, gently first."""
    assert child.stdin is not None
    child.stdin.close()
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
