"""How a run is steered from outside, and what it says of itself while it goes on."""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

Activity = Literal[
    "starting", "waiting", "training", "aggregating", "evaluating", "tuning", "paused", "ended"
]


#: Over how many of its last times an activity's usual time is taken.
USUAL_OF = 21


class RunStoppedError(Exception):
    """The run ends before its last round, as it was asked to; the message says why. No failure."""


class DeniedError(RunStoppedError):
    """Policy lets the run not go on."""


class TooFewError(DeniedError):
    """Too few nodes for policy are there now; with those that are `awaited` there would be enough.

    Whoever can wait for them asks again once more are there, and at `deadline` (monotonic seconds)
    for the last time.
    """

    def __init__(self, message: str, awaited: Sequence[str], deadline: float) -> None:
        super().__init__(message)
        self.awaited = tuple(awaited)
        self.deadline = deadline


class ConvergedError(RunStoppedError):
    """The run has reached what it was to reach."""


class Control:
    """Pauses, resumes and stops one run; safe to use from any thread.

    A pause takes effect between rounds. A stop takes effect between rounds and ends a wait for
    nodes or answers at once.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._paused: str | None = None
        self._stopped: str | None = None

    @property
    def pause_reason(self) -> str | None:
        """Why the run is paused, None where it is not."""
        return self._paused

    @property
    def stop_reason(self) -> str | None:
        """Why the run was asked to stop, None where it was not."""
        return self._stopped

    def pause(self, reason: str) -> None:
        """Let no further round begin."""
        with self._changed:
            self._paused = reason
            self._changed.notify_all()

    def resume(self) -> None:
        """Let rounds begin again."""
        with self._changed:
            self._paused = None
            self._changed.notify_all()

    def stop(self, reason: str) -> None:
        """End the run after what it is doing; a pause does not hold it up."""
        with self._changed:
            self._stopped = reason
            self._changed.notify_all()

    def check(self) -> None:
        """Raise RunStoppedError where the run was asked to stop."""
        if self._stopped is not None:
            raise RunStoppedError(self._stopped)

    def pass_gate(self, on_pause: Callable[[str], None], on_resume: Callable[[], None]) -> None:
        """Wait while the run is paused; raises RunStoppedError where it was asked to stop."""
        self.check()
        reason = self._paused
        if reason is None:
            return
        on_pause(reason)
        with self._changed:
            while self._paused is not None and self._stopped is None:
                self._changed.wait()
        self.check()
        on_resume()

    def sleep(self, seconds: float) -> None:
        """Wait so long, or until a stop is asked for, which raises RunStoppedError."""
        with self._changed:
            if self._stopped is None:
                self._changed.wait(seconds)
        self.check()


@dataclass(frozen=True)
class Progress:
    """What a run is doing at this moment.

    `since` is when the activity began (monotonic seconds), `waiting_for` the nodes it has not
    heard from, `message` a sentence for people, `deadline` when the wait ends at the latest
    (monotonic seconds, None where the activity does not wait), `stalled` the watchdog's sentence.
    """

    activity: Activity = "starting"
    since: float = 0.0
    round: int = 0
    rounds: int = 0
    waiting_for: tuple[str, ...] = ()
    message: str = ""
    deadline: float | None = None
    stalled: str | None = None


class Progressing:
    """Holds a run's progress for those who ask. The run's thread writes, and the watchdog's says
    where it stalls; any may read.

    `on_change` is called with each new activity, not with each node that answers.
    """

    def __init__(self, on_change: Callable[[Progress], None] = lambda _: None) -> None:
        self._lock = threading.RLock()
        self._now = Progress(since=time.monotonic())
        self._waiting: Mapping[str, str] = {}
        self._touched = self._now.since
        self._on_change = on_change
        self._lasted: defaultdict[Activity, deque[float]] = defaultdict(
            lambda: deque(maxlen=USUAL_OF)
        )

    @property
    def now(self) -> Progress:
        """What the run is doing."""
        with self._lock:
            names = list(self._waiting.values())  # at once: another thread takes some of them out
            return replace(self._now, waiting_for=tuple(names))

    @property
    def touched(self) -> float:
        """When something last happened: an activity began or a node answered (monotonic s)."""
        return self._touched

    def begin(
        self,
        activity: Activity,
        message: str = "",
        *,
        waiting: Mapping[str, str] | None = None,
        deadline: float | None = None,
    ) -> None:
        """A new activity. `waiting` is kept, not copied: what is taken out of it has answered."""
        with self._lock:
            before, self._touched = self._now, time.monotonic()
            self._lasted[before.activity].append(self._touched - before.since)
            self._waiting = {} if waiting is None else waiting
            self._now = replace(
                self._now,
                activity=activity,
                since=self._touched,
                message=message,
                deadline=deadline,
                stalled=None,
            )
        self._on_change(self._now)

    def usual(self, activity: Activity) -> float | None:
        """The median of how long its last times took, in seconds; None before the first ended."""
        lasted = sorted(self._lasted[activity])
        return lasted[len(lasted) // 2] if lasted else None

    def at(self, round: int, rounds: int) -> None:
        """Which round of how many."""
        with self._lock:
            self._now = replace(self._now, round=round, rounds=rounds)

    def touch(self) -> None:
        """Something went on: the watchdog counts from here."""
        self._touched = time.monotonic()

    def say(self, message: str) -> None:
        """Another sentence for the same activity."""
        with self._lock:
            self._now = replace(self._now, message=message)

    def stall(self, message: str | None) -> None:
        """What the watchdog found, None where the run goes on again."""
        with self._lock:
            self._now = replace(self._now, stalled=message)
        self._on_change(self._now)
