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
from typing import Protocol, runtime_checkable

from flwr.app import Context, Error, Message, RecordDict
from flwr.clientapp import ClientApp
from flwr.common.constant import ErrorCode
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from fedsight.errors import told
from fedsight.federated.clock import Clock
from fedsight.federated.observation import Period

#: Flower's own ids are random 64-bit numbers; these tell themselves apart from the server's, 1.
_FIRST_NODE_ID = 1000
_RUN_ID = 1
_SERVER_NODE_ID = 1


@runtime_checkable
class Timed(Protocol):
    """A grid that knows when each node worked."""

    def turn(self, message_id: str) -> Period | None:
        """When the node worked on that message of the last exchange; None where not known."""


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


def sites(count: int, run_config: dict[str, bool | float | int | str]) -> list[Site]:
    """`count` nodes called client-0, client-1, ..., one a partition."""
    return [
        Site(
            _FIRST_NODE_ID + index,
            f"client-{index}",
            Context(
                run_id=_RUN_ID,
                node_id=_FIRST_NODE_ID + index,
                node_config={"partition-id": index, "num-partitions": count},
                state=RecordDict(),
                run_config=run_config,
            ),
        )
        for index in range(count)
    ]


class LocalGrid(Grid):
    """A Grid whose nodes run in this process, one after the other, in the order of `nodes`.

    A node whose ClientApp raises answers with an Error, as Flower's own nodes do; the round goes
    on. Messages share one content: a ClientApp with mods, which may change it, gets copies.
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
        self._turns: dict[str, Period] = {}
        self._replies: dict[str, Message] = {}
        self._run: Run | None = None
        self._ahead = ahead
        self._ready: Collection[int] = ()
        self._copies = bool(app._mods) or app._call is not None

    def turn(self, message_id: str) -> Period | None:
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
        self._turns.clear()
        deadline = None if timeout is None else time.monotonic() + timeout
        replies = []
        for message in self._prepared(messages):
            late = deadline is not None and time.monotonic() > deadline
            if not late or message.metadata.dst_node_id in self._ready:
                replies.append(self._take_turn(message))
        return replies

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        if not self._replies:
            self._turns.clear()
        asked = self._prepared(messages)
        for message in asked:
            reply = self._take_turn(message)
            self._replies[reply.metadata.reply_to_message_id] = reply
        return [message.metadata.message_id for message in asked]

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        return [self._replies.pop(known) for known in list(message_ids) if known in self._replies]

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
        message_id = f"m{next(self._message_ids)}"
        message.metadata.__dict__["_message_id"] = message_id  # as a SuperLink sets it
        if self._copies:
            message.content = RecordDict(dict(message.content))
        start = self._now()
        try:
            reply = self._app(message, site.context)
        except (Exception, SystemExit) as error:  # the node's own code: its failure is an answer
            failure = Error(ErrorCode.CLIENT_APP_RAISED_EXCEPTION, told(error))
            reply = Message(failure, reply_to=message)
        if site.node_id not in self._ready:
            self._turns[message_id] = Period(start, self._now())
        return reply
