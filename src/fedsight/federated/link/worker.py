"""Works off one message at a time: fetches it, runs the app, and gets the answer accepted."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TypeVar

from flwr.app import Context, Error, Message, RecordDict
from flwr.app.user_config import UserConfigValue
from flwr.clientapp.typing import Mod
from flwr.common.constant import ErrorCode
from flwr.proto.message_pb2 import Message as ProtoMessage
from flwr.proto.message_pb2 import ObjectTree
from flwr.supercore.task_identity import TaskIdentity

from fedsight.errors import told
from fedsight.federated import codec
from fedsight.federated.link import delivery
from fedsight.federated.link.client_apps import AppRefusedError, ClientApps, RunApp
from fedsight.federated.link.fleet_client import FleetClient, ForgottenError, RunOverError
from fedsight.federated.link.wire import AwayError, RejectedError
from fedsight.federated.node.introduction import asks_for_introduction, introduction

#: Runs whose app and state stay in memory.
MOST_RUNS = 8
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
#: So often may a SuperLink that answers fail at one request, before the request is to blame.
MOST_FAILURES = 5

log = logging.getLogger("fedsight.node")
T = TypeVar("T")


@dataclass(frozen=True)
class Letter:
    """A message as it was announced, and the id that the node had then."""

    head: ProtoMessage
    tree: ObjectTree
    node_id: int

    @property
    def run_id(self) -> int:
        """The Flower run that it belongs to."""
        return int(self.head.metadata.run_id)


@dataclass(frozen=True)
class OpenRun:
    """A run that this node takes part in: its app, and what the app keeps between messages."""

    loaded: RunApp
    context: Context


class Worker:
    """Answers letters. Not thread-safe: one thread, as the app expects.

    `config` is what the app sees as its node's configuration. `executor` carries objects to and
    fro; a waiting worker gives up when `stop` is set. `mod` stands around every app.
    """

    def __init__(
        self,
        client: FleetClient,
        apps: ClientApps,
        config: Mapping[str, UserConfigValue],
        executor: Executor,
        stop: threading.Event,
        mod: Mod | None = None,
    ) -> None:
        self._client = client
        self._apps = apps
        self._config = dict(config)
        self._executor = executor
        self._stop = stop
        self._mod = mod
        self._runs: OrderedDict[int, OpenRun] = OrderedDict()

    def answer(self, letter: Letter) -> None:
        """Work one letter off. Raises RunOverError where nobody wants the answer any more."""
        message = self._insist(
            letter,
            lambda: delivery.received(self._client, letter.head, letter.tree, self._executor),
        )
        TaskIdentity.run_id, TaskIdentity.node_id = letter.run_id, letter.node_id
        TaskIdentity.task_id = 1
        started = time.perf_counter()
        answer = self._answered(letter, message)
        seconds = time.perf_counter() - started
        try:
            self._send(letter, answer, seconds)
        except RejectedError as error:
            reason = f"the SuperLink refused the answer: {error}"
            log.warning("%s", reason)
            self._send(letter, _failure(message, ErrorCode.UNKNOWN, reason), seconds)
        kind = message.metadata.message_type
        log.debug("%s of run %d answered in %.3f s", kind, letter.run_id, seconds)

    def _answered(self, letter: Letter, message: Message) -> Message:
        try:
            opened = self._opened(letter)
        except AppRefusedError as error:
            log.warning("run %d: %s", letter.run_id, error)
            return _failure(message, ErrorCode.LOAD_CLIENT_APP_EXCEPTION, str(error))
        if asks_for_introduction(message) and not opened.loaded.ours:
            return introduction(message, opened.context)  # another's app does not know how
        if not opened.loaded.ours and message.has_content():
            message.content = codec.owned(message.content)
        try:
            if self._mod is not None:
                return self._mod(message, opened.context, opened.loaded.app)
            return opened.loaded.app(message, opened.context)
        except (Exception, SystemExit) as error:  # the app's own code: its failure is an answer
            log.warning("run %d: the app failed: %s", letter.run_id, told(error), exc_info=True)
            return _failure(message, ErrorCode.CLIENT_APP_RAISED_EXCEPTION, told(error))

    def _opened(self, letter: Letter) -> OpenRun:
        """The run, its app loaded once."""
        found = self._runs.get(letter.run_id)
        if found is None or found.context.node_id != letter.node_id:
            found = self._runs[letter.run_id] = self._load(letter)
        self._runs.move_to_end(letter.run_id)
        while len(self._runs) > MOST_RUNS:
            self._runs.popitem(last=False)
        return found

    def _load(self, letter: Letter) -> OpenRun:
        run = self._insist(letter, lambda: self._client.run(letter.run_id))
        fab = self._insist(letter, lambda: self._client.fab(run))
        loaded = self._apps.load(run, fab)
        log.info("run %d: takes part with %s", letter.run_id, loaded.reference)
        series = [one.context for one in self._runs.values()]
        states = [one.state for one in series if one.series_id == run.series_id]
        context = Context(
            run_id=letter.run_id,
            node_id=letter.node_id,
            node_config=self._config,
            state=states[-1] if states else RecordDict(),
            run_config=loaded.config,
            series_id=run.series_id,
        )
        return OpenRun(loaded, context)

    def _send(self, letter: Letter, answer: Message, seconds: float) -> None:
        parcel = delivery.packed(answer)
        self._insist(letter, lambda: delivery.send(self._client, parcel, seconds, self._executor))

    def _insist(self, letter: Letter, call: Callable[[], T]) -> T:
        """What `call` gives, tried again while the SuperLink is away, for as long as it takes.

        Raises RunOverError once the SuperLink has forgotten the node that got the letter.
        """
        pause, failures = FIRST_PAUSE, 0
        while True:
            try:
                return call()
            except ForgottenError:
                why: str = "it does not know this node"
            except AwayError as error:
                why = str(error)
                failures += error.answered
            if failures == MOST_FAILURES:
                raise RunOverError(f"the SuperLink failed {failures} times: {why}")
            if self._stop.wait(pause * random.uniform(0.8, 1.2)):
                raise RunOverError("the node ends")
            if self._client.node_id != letter.node_id:
                raise RunOverError("the SuperLink was started anew")
            pause = min(pause * 2, LONGEST_PAUSE)


def _failure(message: Message, code: int, reason: str) -> Message:
    return Message(Error(code, reason), reply_to=message)
