"""Many nodes in one process: a Flower Grid that runs the ClientApp in place.

No Ray, no server, no processes. Nodes take turns in partition order, so replies come in that
order and a seeded run gives the same bits each time. The flat loop keeps one model for all nodes,
its parameters views of one vector (`flat.FlatModel`).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from flwr.app import Context, Error, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.common.constant import ErrorCode
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from fedsight.errors import told
from fedsight.federated.clock import Clock
from fedsight.federated.fleet import NodeView
from fedsight.federated.observation import Period, Turn

#: Flower's own ids are random 64-bit numbers; these tell themselves apart from the server's, 1.
_FIRST_NODE_ID = 1000
_RUN_ID = 1
_SERVER_NODE_ID = 1
#: Turns that are remembered where nodes are always in line; the oldest are forgotten.
_MOST_TURNS = 4096


class Preparing(Protocol):
    """Work on a round that is done for many nodes at once, before any has its turn."""

    def prepare(self, messages: Sequence[Message]) -> Collection[int]:
        """Told the round's messages in the order of turns; the nodes whose answers are ready.

        When such a node worked is not known: its turn only hands the answer over.
        """


@dataclass(frozen=True)
class Site:
    """One simulated node: its Flower id, its name, and the context its ClientApp sees."""

    node_id: int
    name: str
    context: Context


def sites(
    nodes: int | Sequence[str], run_config: dict[str, bool | float | int | str]
) -> list[Site]:
    """One node a partition: so many, called client-0, client-1, ..., or those called so."""
    names = [f"client-{at}" for at in range(nodes)] if isinstance(nodes, int) else list(nodes)
    count = len(names)
    return [
        Site(
            _FIRST_NODE_ID + index,
            name,
            Context(
                run_id=_RUN_ID,
                node_id=_FIRST_NODE_ID + index,
                node_config={"partition-id": index, "num-partitions": count},
                state=RecordDict(),
                run_config=run_config,
            ),
        )
        for index, name in enumerate(names)
    ]


class LocalGrid(Grid):
    """A Grid whose nodes run in this process, one after the other, in the order of `nodes`.

    A node has its turn when its answer is pulled: one at a time, the next one in line. A node
    whose ClientApp raises answers with an Error, as Flower's own nodes do; the round goes on.
    Messages share one content: a ClientApp with mods, which may change it, gets copies.
    """

    def __init__(
        self,
        app: ClientApp,
        nodes: Sequence[Site],
        now: Callable[[], int] | None = None,
        ahead: Preparing | None = None,
    ) -> None:
        TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = _RUN_ID, 1, 1
        self._app = app
        self._sites = {site.node_id: site for site in nodes}
        self._order = {node_id: at for at, node_id in enumerate(self._sites)}
        self._now = now or Clock().now
        self._message_ids = itertools.count(1)
        self._views = [
            NodeView(site.node_id, site.name, at, "simulated") for at, site in enumerate(nodes)
        ]
        self._turns: dict[str, Turn] = {}
        self._line: dict[str, Message] = {}
        self._run: Run | None = None
        self._ahead = ahead
        self._ready: Collection[int] = ()
        self._copies = bool(app._mods) or app._call is not None

    def nodes(self) -> list[NodeView]:
        """See `Fleet`."""
        return self._views

    def turn(self, message_id: str) -> Turn | None:
        """See `Timed`."""
        return self._turns.get(message_id)

    def name(self, node_id: int) -> str:
        """What people call that node."""
        return self._sites[node_id].name

    def get_node_ids(self) -> list[int]:
        return list(self._sites)

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        """Run each node's turn; replies in partition order.

        A node whose turn did not begin within `timeout` seconds does not reply; one whose answer
        was prepared began before any turn.
        """
        self.push_messages(messages)
        deadline = None if timeout is None else time.monotonic() + timeout
        replies = []
        for message in list(self._line.values()):
            late = deadline is not None and time.monotonic() > deadline
            if not late or message.metadata.dst_node_id in self._ready:
                replies.append(self._take_turn(message))
        self._line.clear()
        return replies

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Line the nodes up in partition order, behind those that are in line already."""
        if not self._line:
            self._turns.clear()
        given = list(messages)
        for message in given:
            message_id = f"m{next(self._message_ids)}"
            message.metadata.__dict__["_message_id"] = message_id  # as a SuperLink sets it
        for message in self._prepared(given):
            self._line[message.metadata.message_id] = message
        return [message.metadata.message_id for message in given]

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Give the first node in line that is asked for its turn; its answer, if there is one."""
        wanted = message_ids if isinstance(message_ids, Collection) else set(message_ids)
        for message_id in self._line:
            if message_id in wanted:
                return [self._take_turn(self._line.pop(message_id))]
        return []

    def recall(self, message_ids: Iterable[str]) -> None:
        """Take nodes out of the line: their turn does not come."""
        for message_id in list(message_ids):
            self._line.pop(message_id, None)

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def set_run(self, run: Run) -> None:
        self._run = run

    @property
    def run(self) -> Run:
        if self._run is None:
            raise RuntimeError("a local grid has no Flower run until set_run is called")
        return self._run

    def _prepared(self, messages: Iterable[Message]) -> list[Message]:
        """The messages in the order of turns, after what is done ahead of them."""
        asked = sorted(messages, key=self._place)
        self._ready = () if self._ahead is None else self._ahead.prepare(asked)
        return asked

    def _place(self, message: Message) -> int:
        return self._order[message.metadata.dst_node_id]

    def _take_turn(self, message: Message) -> Message:
        site = self._sites[message.metadata.dst_node_id]
        if self._copies:
            message.content = RecordDict(dict(message.content))
        start = self._now()
        try:
            reply = self._app(message, site.context)
        except (Exception, SystemExit) as error:  # the node's own code: its failure is an answer
            failure = Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, told(error))
            reply = Message(failure, reply_to=message)
        if site.node_id not in self._ready:
            self._turns[message.metadata.message_id] = Turn(train=Period(start, self._now()))
            if len(self._turns) > _MOST_TURNS:
                del self._turns[next(iter(self._turns))]
        return reply
