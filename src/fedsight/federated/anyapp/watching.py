"""A grid that passes everything on and sees what passes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, TypeVar

from flwr.app import Message, RecordDict
from flwr.proto.node_pb2 import NodeInfo
from flwr.serverapp import Grid
from flwr.supercore.run import Run

from fedsight.errors import FedsightError
from fedsight.federated import codec
from fedsight.federated.anyapp.seen import EVALUATE, sizes
from fedsight.federated.fleet import Fleet, RoundLostError
from fedsight.federated.rounds.control import Activity
from fedsight.federated.rounds.exchange import POLL_SECONDS, Recalling

if TYPE_CHECKING:
    from fedsight.federated.anyapp.session import AppSession

T = TypeVar("T")

#: So often what is under way is sent anew after it was lost.
MOST_ATTEMPTS = 5
#: A server that asks so often who is there, and sends nothing, waits for nodes.
WAITING_AFTER_CALLS = 2


class Watching(Grid):
    """`grid`, watched for `session`. Safe to use from several threads, as older apps do.

    No exchange takes longer than `timeout` seconds; a server that only asks who is there, as
    Flower's strategies do until there are enough, is given up after `wait_seconds`.
    """

    def __init__(
        self,
        grid: Grid,
        session: AppSession,
        *,
        timeout: float | None = None,
        wait_seconds: float = 600.0,
    ) -> None:
        self.grid = grid
        self.session = session
        self.timeout = timeout
        self._wait_seconds = wait_seconds
        self._lock = threading.RLock()
        self._asking: tuple[int, float] = (0, 0.0)

    @property
    def run(self) -> Run:
        return self.grid.run

    def set_run(self, run: Run) -> None:
        self.grid.set_run(run)

    def get_node_ids(self) -> Iterable[int]:
        with self._lock:
            found = self._asked_anew(lambda: list(self.grid.get_node_ids()))
        self.mind_the_wait(len(found))
        return found

    def get_nodes(self) -> Iterable[NodeInfo]:
        with self._lock:
            found = self._asked_anew(self._nodes)
        self.mind_the_wait(len(found))
        return found

    def _nodes(self) -> list[NodeInfo]:
        if hasattr(self.grid, "get_nodes"):
            return list(self.grid.get_nodes())
        return [NodeInfo(node_id=node_id) for node_id in self.grid.get_node_ids()]

    def _asked_anew(self, question: Callable[[], T]) -> T:
        """The answer, once more where the Flower run was lost: who is there is not lost with it.

        Whoever waits for messages that were under way learns of it there.
        """
        try:
            return question()
        except RoundLostError:
            return question()

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        asked = list(messages)
        with self._lock:
            self.session.control.check()
            self._asking = (0, 0.0)
            parameters = None if self.session.described else sizes(asked)
            if parameters is not None:
                self.session.describe(parameters=parameters)
            since = self.session.seen.now()
            ids = [message_id or "" for message_id in self._pushed(asked)]
            for message, message_id in zip(asked, ids, strict=False):
                if message_id:
                    message.metadata.__dict__["_message_id"] = message_id
                    self.session.seen.asked(message, since)
            return ids

    def _pushed(self, messages: list[Message]) -> Iterable[str]:
        try:
            return self.grid.push_messages(messages)
        except Exception as error:
            self.session.trouble = error
            raise

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        wanted = message_ids if isinstance(message_ids, Collection) else list(message_ids)
        with self._lock:
            self.session.control.check()
            replies = list(self.grid.pull_messages(wanted))
            for reply in replies:
                self.session.progress.touch()
                self.session.seen.answered(reply)
                if reply.has_content():
                    reply.content = codec.owned(reply.content)
            return replies

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        """Push, then pull every 50 ms until all have answered or the time is over.

        What is lost with its SuperLink is sent anew.
        """
        missing = list(messages)
        waits = [each for each in (timeout, self.timeout) if each is not None]
        deadline = time.monotonic() + min(waits) if waits else None
        replies: list[Message] = []
        for attempt in range(1, MOST_ATTEMPTS + 1):
            try:
                self._exchange(missing, replies, deadline)
                return replies
            except RoundLostError as error:
                details = {"message": str(error), "attempt": attempt}
                self.session.say("ROUND_RESTARTED", details, round=self.session.seen.last or None)
                answered = {reply.metadata.src_node_id for reply in replies}
                missing = [each for each in missing if each.metadata.dst_node_id not in answered]
        raise FedsightError(f"messages were lost {MOST_ATTEMPTS} times; is the SuperLink up?")

    def _exchange(
        self, messages: list[Message], replies: list[Message], deadline: float | None
    ) -> None:
        if not messages:
            return
        ids = self.push_messages(messages)
        waiting = {
            message_id: self.session.name(message.metadata.dst_node_id)
            for message, message_id in zip(messages, ids, strict=False)
            if message_id
        }
        self._begin(messages, waiting, deadline)
        while waiting:
            came = self.pull_messages(list(waiting))
            replies += came
            for reply in came:
                waiting.pop(reply.metadata.reply_to_message_id, None)
            if deadline is not None and time.monotonic() >= deadline:
                self.leave(waiting)
                break
            if waiting and not came:
                self.session.control.sleep(POLL_SECONDS)
        self.session.progress.begin("aggregating")

    def _begin(
        self, messages: list[Message], waiting: dict[str, str], deadline: float | None
    ) -> None:
        kind = messages[0].metadata.message_type
        doing: Activity = "evaluating" if kind.startswith(EVALUATE) else "training"
        progress = self.session.progress
        progress.at(self.session.seen.last, self.session.rounds or 0)
        progress.begin(doing, f"{len(messages)} nodes", waiting=waiting, deadline=deadline)

    def leave(self, waiting: Iterable[str]) -> None:
        """Nobody waits for these any more."""
        with self._lock:
            if isinstance(self.grid, Recalling):
                self.grid.recall(list(waiting))

    def mind_the_wait(self, there: int) -> None:
        """Say what a server that only asks for nodes waits for, and end it at the limit."""
        self.session.control.check()
        now = time.monotonic()
        calls, since = self._asking
        self._asking = (calls + 1, since or now)
        if calls < WAITING_AFTER_CALLS:
            return
        message = f"the app waits for more nodes than there are: {there}"
        waited = now - self._asking[1]
        if waited > self._wait_seconds:
            raise FedsightError(f"{message}; gave up after {waited:.0f} s")
        if self.session.progress.now.message != message:
            self.session.progress.begin(
                "waiting", message, deadline=self._asking[1] + self._wait_seconds
            )
            self.session.say("ROUND_WAITING", {"message": message})


class _Recalls(Watching):
    """As `Watching`, of a grid that can take back what no node has begun."""

    def recall(self, message_ids: Iterable[str]) -> None:
        """See `Recalling`."""
        self.leave(message_ids)


def watching(
    grid: Grid,
    session: AppSession,
    *,
    timeout: float | None = None,
    wait_seconds: float = 600.0,
) -> Watching:
    """`grid`, watched for `session`."""
    kind = _Recalls if isinstance(grid, Recalling) else Watching
    return kind(grid, session, timeout=timeout, wait_seconds=wait_seconds)


def namer(grid: Grid) -> Callable[[int], str]:
    """What people call a node of `grid`, by its id."""
    known: dict[int, str] = {}

    def name(node_id: int) -> str:
        if node_id not in known and isinstance(grid, Fleet):
            known.update({node.node_id: node.name for node in grid.nodes()})
        return known.get(node_id) or f"node-{node_id & 0xFFFFFF:06x}"

    return name
