"""Flower's grid over a SuperLink, for a training process that is the run's server."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from math import inf
from typing import TypeVar

from flwr.app import Message, RecordDict
from flwr.common.constant import SUPERLINK_NODE_ID
from flwr.proto.node_pb2 import NodeInfo
from flwr.proto.runtime_pb2 import (
    GetNodesRequest,
    GetNodesResponse,
    PullAppMessagesRequest,
    PullAppMessagesResponse,
)
from flwr.serverapp import Grid
from flwr.supercore.run import Run
from flwr.supercore.task_identity import TaskIdentity

from fedsight.errors import FedsightError
from fedsight.federated.fleet import NodeView
from fedsight.federated.link import transfer
from fedsight.federated.link.caller import Caller, Place, refused, unreachable
from fedsight.federated.link.fab import CLIENT_APP, Bundle, ConfigValue
from fedsight.federated.link.lost import RunReplacedError
from fedsight.federated.link.names import SHUT_OUT, UNREGISTERED
from fedsight.federated.link.reports import NodeReports
from fedsight.federated.link.roster import Roster
from fedsight.federated.link.submission import (
    RUNTIME,
    Ending,
    Heartbeats,
    Submission,
    finish,
    submit,
)
from fedsight.federated.link.turns import Turns
from fedsight.federated.link.wire import AwayError, RejectedError
from fedsight.federated.observation import Turn
from fedsight.federated.rounds.control import RunStoppedError

logger = logging.getLogger(__name__)

T = TypeVar("T")

POLL_SECONDS = 0.05
WAIT_SECONDS = 120.0
#: While answers are awaited, nodes that are new are waited for no longer than that.
BUSY_WAIT_SECONDS = 0.3
#: How often our SuperLink is asked which messages were lost with a node's process.
LOOK_SECONDS = 1.0
MESSAGE_LOST = (
    "the message was lost: the node's process ended before it had answered and another took its"
    " place, or it did not reach the node"
)
#: Objects under way at once: one is being sent while another is being taken in.
LANES = 4
#: No further answer is taken in by one `pull_messages` beyond so many bytes.
MOST_BYTES_A_PULL = 2**27
#: What Flower answers to a task's token that it does not know, and to a run that is over.
_RUN_IS_LOST = {401, 403, 404}


class LinkGrid(Grid):
    """A Grid, a `Fleet`, `Timed` and `Absent` over a SuperLink.

    Every call outlasts an absence of the SuperLink of `wait_seconds`, of which `on_wait` is told,
    and `on_back` of its end; then it raises LinkLostError. Where the SuperLink comes back without
    our run, a new one is submitted and the call raises RunReplacedError, as does each later one
    that asks for answers to messages that were lost with the old one: of several threads each
    learns of it. `bundle` makes
    the app's bundle where it is not ours, another one with each text that it is given. An answer
    larger than `most_answer_bytes`, and than a few times what nodes were sent, is an error of its
    node. Close it, or use it as a context: the Flower run is told how it ended.
    """

    def __init__(
        self,
        place: Place,
        config: Mapping[str, ConfigValue],
        *,
        client_app: str = CLIENT_APP,
        bundle: Callable[[str], Bundle] | None = None,
        wait_seconds: float = WAIT_SECONDS,
        on_wait: Callable[[str], object] = lambda _: None,
        on_back: Callable[[str], object] = lambda _: None,
        on_idle: Callable[[float], object] = time.sleep,
        most_answer_bytes: int = transfer.MOST_ANSWER_BYTES,
    ) -> None:
        self._config = dict(config)
        self._client_app = client_app
        self._bundle = bundle
        self._caller = Caller(
            place, wait_seconds=wait_seconds, on_wait=on_wait, on_back=on_back, on_idle=on_idle
        )
        self._idle = on_idle
        self._executor = ThreadPoolExecutor(LANES, thread_name_prefix="objects")
        self._lock = threading.RLock()
        self._waiting: OrderedDict[str, int] = OrderedDict()
        self._arrived: dict[str, transfer.Arriving] = {}
        self._lost: set[str] = set()
        self._revoked: set[int] = set()
        self._gone: dict[str, RunReplacedError] = {}
        self._looked = 0.0
        self._most_bytes = most_answer_bytes
        self._ended = False
        self._submission = self._first_submission()
        self._heartbeats = Heartbeats(self._caller).start()
        self._turns = Turns(self._caller)
        self._roster = Roster(self.push_messages, self.pull_messages, on_idle)

    @property
    def run(self) -> Run:
        """The Flower run that goes on now; another one after a RunReplacedError."""
        return self._submission.run

    def set_run(self, run: Run) -> None:
        """Nothing: the run is the one that was submitted."""

    def nodes(self) -> list[NodeView]:
        """See `Fleet`. Asks nodes that are new who they are, and waits a little for the answer.

        Hardly at all while other messages are under way: whoever waits for their answers asks
        this, too, and has a deadline to keep.
        """
        with self._lock:
            under_way = any(not self._roster.is_question(each) for each in self._waiting)
            online, reports = self._online(), self._reports()
            return self._roster.views(online, reports, BUSY_WAIT_SECONDS if under_way else inf)

    @property
    def away_seconds(self) -> float:
        """See `Absent`."""
        return self._caller.away_seconds

    def turn(self, message_id: str) -> Turn | None:
        """See `Timed`; on this process's clock. None from a SuperLink that is not ours."""
        with self._lock:
            return self._turns.turn(message_id)

    def get_node_ids(self) -> list[int]:
        return [node.node_id for node in self._online()]

    def get_nodes(self) -> list[NodeInfo]:
        return self._online()

    def push_messages(self, messages: Iterable[Message]) -> list[str]:
        """Hand messages in; their ids in order, "" for one that was not taken: no such node."""
        asked = list(messages)
        if not asked:
            return []
        with self._lock:
            sent = transfer.largest(asked)
            self._most_bytes = max(self._most_bytes, sent * transfer.MOST_TIMES)
            ids = self._alive(
                lambda run_id: transfer.push(self._caller, self._executor, run_id, asked)
            )
            for message, message_id in zip(asked, ids, strict=True):
                if message_id:
                    self._waiting[message_id] = message.metadata.dst_node_id
            return ids

    def pull_messages(self, message_ids: Iterable[str]) -> list[Message]:
        """Answers that have come to those messages, each once.

        Of many large ones some, so that they need not all be in memory: ask again. One that cannot
        be read, or whose node is gone or began anew since it took the message, is an Error of
        that node.
        """
        with self._lock:
            asked = list(message_ids)
            gone = [found for each in asked if (found := self._gone.pop(each, None)) is not None]
            if gone:
                raise RunReplacedError(gone[0].old, gone[0].new, gone[0].reason)
            wanted = [each for each in asked if each in self._waiting]
            if wanted and time.monotonic() - self._looked >= LOOK_SECONDS:
                self._reports()
            to_come = [each for each in wanted if each not in self._arrived]
            if to_come:
                self._take_heads(to_come)
            return self._taken(wanted)

    def send_and_receive(
        self, messages: Iterable[Message], *, timeout: float | None = None
    ) -> list[Message]:
        """Push, then pull every 50 ms until all have answered or `timeout` seconds are over."""
        deadline = None if timeout is None else time.monotonic() + timeout
        missing = {each for each in self.push_messages(messages) if each}
        answers: list[Message] = []
        while missing:
            came = self.pull_messages(missing)
            answers += came
            missing -= {each.metadata.reply_to_message_id for each in came}
            if not missing or (deadline is not None and time.monotonic() >= deadline):
                break
            if not came:
                self._idle(POLL_SECONDS)
        return answers

    def create_message(
        self,
        content: RecordDict,
        message_type: str,
        dst_node_id: int,
        group_id: str,
        ttl: float | None = None,
    ) -> Message:
        return Message(content, dst_node_id, message_type, ttl=ttl, group_id=group_id)

    def close(self, ending: Ending = "completed", details: str = "") -> None:
        """Tell the SuperLink how the run ended and close; harmless when done twice."""
        if self._ended:
            return
        self._ended = True
        self._heartbeats.stop()
        try:
            finish(self._caller, ending, details)
        except (AwayError, RejectedError, FedsightError) as error:
            logger.warning("the SuperLink was not told that the run ended: %s", error)
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._caller.close()

    def __enter__(self) -> LinkGrid:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, _: object) -> None:
        if kind is None:
            self.close()
        elif issubclass(kind, KeyboardInterrupt | RunStoppedError):
            self.close("stopped", str(error))
        else:
            self.close("failed", str(error))

    def _online(self) -> list[NodeInfo]:
        with self._lock:
            path = f"{RUNTIME}/get-nodes"
            found = self._alive(
                lambda _: self._caller.once(path, GetNodesRequest(), GetNodesResponse)
            )
            return list(found.nodes)

    def _take_heads(self, wanted: list[str]) -> None:
        """Which answers have come; their objects are still with the SuperLink."""
        request = PullAppMessagesRequest(message_ids=wanted)
        path = f"{RUNTIME}/pull-messages"
        found = self._alive(lambda _: self._caller.once(path, request, PullAppMessagesResponse))
        for head, tree in zip(found.messages_list, found.message_object_trees, strict=True):
            message_id = head.metadata.reply_to_message_id
            if message_id in self._waiting:  # or it is nothing of ours
                self._arrived[message_id] = transfer.Arriving(head, tree)

    def _reports(self) -> NodeReports | None:
        """What our SuperLink tells of its nodes, and with it which messages nobody will answer."""
        self._looked = time.monotonic()
        reports = self._outlasting(self._turns.reports)
        if reports is not None:
            lost = (each for report in reports.nodes for each in report.lost)
            self._lost = self._waiting.keys() & lost
            gone = (report for report in reports.nodes if report.status == UNREGISTERED)
            self._revoked = {int(report.node_id) for report in gone}
        return reports

    def _taken(self, wanted: list[str]) -> list[Message]:
        """Answers whole, as many as one call hands on."""
        answers: list[Message] = []
        size = 0
        for message_id in wanted:
            if size >= MOST_BYTES_A_PULL:
                break
            found = self._whole(message_id, self._waiting[message_id])
            if found is None:
                continue
            self._arrived.pop(message_id, None)
            del self._waiting[message_id]
            answers.append(found[0])
            size += found[1]
        self._turns.expect(each.metadata.reply_to_message_id for each in answers)
        return answers

    def _whole(self, message_id: str, node_id: int) -> tuple[Message, int] | None:
        """An answer and its size, None before it is there; an Error where it cannot be had."""
        arriving = self._arrived.get(message_id)
        if node_id in self._revoked:
            return transfer.failure(self.run.run_id, node_id, message_id, SHUT_OUT), 0
        if message_id in self._lost:
            return transfer.failure(self.run.run_id, node_id, message_id, MESSAGE_LOST), 0
        if arriving is None:
            return None
        try:
            found = self._alive(
                lambda run_id: transfer.pull(
                    self._caller, self._executor, run_id, arriving, self._most_bytes
                )
            )
        except transfer.UnreadableError as error:
            return transfer.failure(self.run.run_id, node_id, message_id, str(error)), 0
        if found is None:
            return None
        answer, size = found
        # What Flower says in a node's place it says in its own name.
        answer.metadata.__dict__["_src_node_id"] = node_id
        answer.metadata.__dict__["_reply_to_message_id"] = message_id
        return answer, size

    def _outlasting(self, work: Callable[[], T]) -> T:
        return self._caller.outlasting(work)

    def _alive(self, work: Callable[[int], T]) -> T:
        """Work on our run, outlasting the SuperLink's absence. Raises RunReplacedError."""
        run_id = self.run.run_id
        try:
            return self._outlasting(lambda: work(run_id))
        except RejectedError as error:
            if error.status not in _RUN_IS_LOST:
                raise FedsightError(
                    f"the SuperLink at {self._caller.address} refused a call: {error}"
                ) from error
            raise self._replaced(str(error)) from error

    def _replaced(self, reason: str) -> RunReplacedError:
        old = self.run.run_id
        lost = list(self._waiting)
        self._waiting.clear()
        self._arrived.clear()
        try:
            self._adopt(self._outlasting(self._submit))
        except RejectedError as error:
            raise refused(error, self._caller.address) from error
        self._roster.begin_anew()
        self._turns.begin_anew()
        replaced = RunReplacedError(old, self.run.run_id, reason)
        self._gone = dict.fromkeys(lost, replaced)
        return replaced

    def _first_submission(self) -> Submission:
        """Where the SuperLink has never been there, it is not waited for."""
        address = self._caller.address
        try:
            found = self._submit()
        except AwayError as error:
            raise unreachable(error, address) from error
        except RejectedError as error:
            raise refused(error, address) from error
        self._adopt(found)
        return found

    def _submit(self) -> Submission:
        return submit(self._caller, self._config, self._client_app, self._bundle)

    def _adopt(self, submission: Submission) -> None:
        """Messages are made in the name of the process's task."""
        self._submission = submission
        TaskIdentity.run_id = submission.run.run_id
        TaskIdentity.node_id = SUPERLINK_NODE_ID
        TaskIdentity.task_id = submission.task_id
