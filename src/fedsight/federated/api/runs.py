"""One training run at a time, in a thread of its own: begun, steered and ended from outside."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from fedsight.door.refusal import RefusedError
from fedsight.errors import FedsightError, told
from fedsight.federated.api.counters import Counters
from fedsight.federated.api.events import ENDED, EventLog
from fedsight.federated.api.history import History
from fedsight.federated.fleet import NodeView
from fedsight.federated.plan import Plan
from fedsight.federated.rounds.control import Control, Progressing
from fedsight.signals import Batch

logger = logging.getLogger(__name__)

State = Literal["finished", "failed", "interrupted", "stopped"]


@dataclass(frozen=True)
class Order:
    """What a run is to do; `keep` is how many of its models stay."""

    plan: Plan
    keep: int


@dataclass(frozen=True)
class Ended:
    """How a run ended, and why where it did not finish or finished early."""

    state: State
    reason: str | None = None


@dataclass(frozen=True)
class Assignment:
    """What starts a run is given: what to do, and the two ends of the wire to it.

    `note` wants every batch that the run journals, `on_nodes` the nodes each time that the run has
    looked who is there. All of it is good until the start returns.
    """

    run_id: str
    order: Order
    control: Control
    progress: Progressing
    note: Callable[[Batch], object]
    on_nodes: Callable[[Sequence[NodeView]], None]


class Start(Protocol):
    """Trains."""

    def __call__(self, assignment: Assignment) -> Ended:
        """Train to the end, in the calling thread.

        Obeys `control` between rounds and in waits. Raises FedsightError where the run failed.
        """
        ...


#: A look at nodes that is older says no more whether they are there.
STALE_SECONDS = 30.0


@dataclass(frozen=True)
class Seen:
    """The nodes as the run saw them when it last looked, at `at` (monotonic seconds)."""

    nodes: tuple[NodeView, ...]
    at: float

    def fresh(self, now: float) -> bool:
        """Whether it still says who is there; simulated nodes always are."""
        simulated = all(node.kind == "simulated" for node in self.nodes)
        return simulated or now - self.at <= STALE_SECONDS


@dataclass
class Current:
    """The run that goes on, or the last one. Times are Unix nanoseconds.

    `told` is how it says that it ended; `ended` is set once it has let go of everything.
    """

    run_id: str
    order: Order
    control: Control = field(default_factory=Control)
    progress: Progressing = field(default_factory=Progressing)
    history: History = field(default_factory=History)
    seen: Seen | None = None
    began: int = field(default_factory=time.time_ns)
    over: int | None = None
    told: Ended | None = None
    ended: Ended | None = None

    @property
    def active(self) -> bool:
        """Whether it still goes on."""
        return self.ended is None


class Runner:
    """Holds the one run. Every method may be called from any thread; a refusal is a 409."""

    def __init__(self, start: Start, log: EventLog, counters: Counters) -> None:
        self._start = start
        self._log = log
        self._counters = counters
        self._lock = threading.Lock()
        self._current: Current | None = None
        self._next: tuple[str, Order] | None = None
        self._closed = False
        self._thread: threading.Thread | None = None
        self.error: str | None = None

    @property
    def current(self) -> Current | None:
        """The run that goes on, or the last one; None before the first."""
        return self._current

    @property
    def next_run(self) -> str | None:
        """The id of the run that begins when the current one has ended."""
        waiting = self._next
        return None if waiting is None else waiting[0]

    def begin(self, order: Order, run_id: str | None = None) -> str:
        """Begin a run, under a new id that was made for it; returns its id."""
        run_id = run_id or new_run_id()
        with self._lock:
            self._free()
            self._launch(run_id, order)
        return run_id

    def check_free(self) -> None:
        """Raise RefusedError 409 where no run could begin now."""
        with self._lock:
            self._free()

    def _free(self) -> None:
        if self._closed:
            raise conflict("the server is ending")
        current = self._current
        if current is not None and current.active:
            raise conflict(f"run {current.run_id} goes on; stop it first")

    def pause(self, reason: str) -> Current:
        """Let no further round begin."""
        with self._lock:
            current = self._active("pause")
            if current.control.stop_reason is not None:
                raise conflict(f"run {current.run_id} is ending: {current.control.stop_reason}")
            if current.control.pause_reason is not None:
                raise conflict(f"run {current.run_id} is paused: {current.control.pause_reason}")
            current.control.pause(reason)
        return current

    def resume(self) -> Current:
        """Let rounds begin again."""
        with self._lock:
            current = self._active("resume")
            if current.control.pause_reason is None:
                raise conflict(f"run {current.run_id} is not paused")
            current.control.resume()
        return current

    def stop(self, reason: str) -> Current:
        """End the run after what it is doing; a restart that was asked for is off."""
        with self._lock:
            current = self._active("stop")
            if current.control.stop_reason is not None and self._next is None:
                raise conflict(f"run {current.run_id} is ending: {current.control.stop_reason}")
            self._next = None
            current.control.stop(reason)
        return current

    def again(self) -> Order:
        """What a restart would begin. Raises RefusedError 409 where there can be none."""
        with self._lock:
            return self._repeatable().order

    def _repeatable(self) -> Current:
        current = self._current
        if current is None or self._closed:
            raise conflict("nothing was started yet, so nothing can be started again")
        if self._next is not None:
            raise conflict(f"run {self._next[0]} begins as soon as {current.run_id} has ended")
        return current

    def restart(self, reason: str, run_id: str | None = None) -> str:
        """Begin what the current or last run was told to do again; returns the new run's id."""
        run_id = run_id or new_run_id()
        with self._lock:
            current = self._repeatable()
            if current.active:
                self._next = (run_id, current.order)
                current.control.stop(reason)
            else:
                self._launch(run_id, current.order)
        return run_id

    def close(self, seconds: float) -> bool:
        """Begin nothing more and end the run; whether it ended within so many seconds."""
        with self._lock:
            self._closed = True
            self._next = None
            current, thread = self._current, self._thread
            if current is not None and current.active:
                current.control.stop("the server ended")
        if thread is not None:
            thread.join(seconds)
        return thread is None or not thread.is_alive()

    def _active(self, what: str) -> Current:
        current = self._current
        if current is None:
            raise conflict(f"nothing to {what}: no run was started")
        if current.ended is not None:
            raise conflict(f"nothing to {what}: run {current.run_id} is {current.ended.state}")
        return current

    def _launch(self, run_id: str, order: Order) -> None:
        """Begin; for who holds the lock."""
        self._current = current = Current(run_id, order)
        self._thread = threading.Thread(
            target=self._train, args=(current,), name=f"run-{run_id}", daemon=True
        )
        self._thread.start()

    def _train(self, current: Current) -> None:
        ended = self._ended(current)
        with self._lock:
            current.over = time.time_ns()
            current.ended = ended
            current.progress.begin("ended", ended.reason or "")
            waiting, self._next = self._next, None
            if waiting is not None and not self._closed:
                self._launch(*waiting)

    def _ended(self, current: Current) -> Ended:
        def note(batch: Batch) -> None:
            current.told = _told_end(batch) or current.told
            self._log.note(batch)
            found = current.history.note(batch)
            if found is not None:
                self._counters.count(found)

        def on_nodes(nodes: Sequence[NodeView]) -> None:
            current.seen = Seen(tuple(nodes), time.monotonic())

        assignment = Assignment(
            current.run_id, current.order, current.control, current.progress, note, on_nodes
        )
        try:
            ended = self._start(assignment)
            self.error = None
        except FedsightError as error:
            ended = Ended("failed", str(error))
        except (Exception, SystemExit) as error:  # the server outlives whatever a run raises
            logger.exception("run %s met a fault", current.run_id)
            self.error = f"run {current.run_id}: {told(error)}"
            ended = Ended("failed", told(error))
        if current.told is None:  # it failed before it had a journal, or in it
            details = {"state": ended.state, "reason": ended.reason}
            self._log.say(ENDED[ended.state], details, run=current.run_id)
        return ended


def _told_end(batch: Batch) -> Ended | None:
    for event in batch.events:
        if event.kind == "RUN_ENDED":
            return Ended(event.details["state"], event.details["reason"])
    return None


def conflict(message: str) -> RefusedError:
    """409: it makes no sense now."""
    return RefusedError(409, "conflict", message)


def new_run_id() -> str:
    """A run id that no other run has: `r-` and eight hexadecimal digits."""
    return f"r-{secrets.token_hex(4)}"
