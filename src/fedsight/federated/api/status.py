"""What the server is doing, as `GET /status` tells it: pure functions of the run and the clock."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from fedsight.door.times import rfc3339, rfc3339_or_none
from fedsight.federated.api.history import RoundFacts
from fedsight.federated.api.runs import Current, State
from fedsight.federated.api.summary import remaining_seconds
from fedsight.federated.rounds.control import Activity

SECOND = 1_000_000_000
#: Estimates are made of so many of the newest rounds.
ESTIMATE_ROUNDS = 50

Word = Literal[
    "idle",
    "starting",
    "waiting",
    "training",
    "evaluating",
    "paused",
    "finished",
    "failed",
    "stopped",
]

WORDS: dict[Activity, Word] = {
    "starting": "starting",
    "waiting": "waiting",
    "training": "training",
    "aggregating": "training",
    "evaluating": "evaluating",
    "paused": "paused",
    "ended": "stopped",
}
ENDS: dict[State, Word] = {
    "finished": "finished",
    "failed": "failed",
    "stopped": "stopped",
    "interrupted": "stopped",
}


class Status(Struct, frozen=True):
    """The server at a glance. Times are RFC 3339; what is not known is null.

    `rounds` are over, `current_round` goes on; `clients` are known, `active_clients` trained in the
    last round. `since` is when it began what it is doing, `deadline` when a wait ends at the
    latest, `stalled` the watchdog's sentence, `next_run` what a restart begins.
    """

    status: Word = "idle"
    run: str | None = None
    task: str | None = None
    engine: str | None = None
    algorithm: str | None = None
    rounds: int | None = None
    current_round: int | None = None
    max_rounds: int | None = None
    clients: int | None = None
    connected_clients: int | None = None
    active_clients: int | None = None
    current_accuracy: float | None = None
    best_accuracy: float | None = None
    current_loss: float | None = None
    training_active: bool = False
    training_paused: bool = False
    pause_reason: str | None = None
    stop_reason: str | None = None
    policy_version: str | None = None
    waiting_for: list[str] = []
    message: str = ""
    stalled: str | None = None
    since: str | None = None
    deadline: str | None = None
    started: str | None = None
    ended: str | None = None
    estimated_completion: str | None = None
    next_run: str | None = None


def word_of(current: Current) -> Word:
    """One word for what the run is doing, or how it ended."""
    ended = current.ended or current.told
    if ended is not None:
        return ENDS[ended.state]
    return WORDS[current.progress.now.activity]


def status_of(
    current: Current | None, next_run: str | None, *, wall: int, monotonic: float
) -> Status:
    """The status at `wall` (Unix nanoseconds), which is `monotonic` (s) on the other clock."""
    if current is None:
        return Status(message="no run was started yet")
    now, plan = current.progress.now, current.order.plan
    recent = current.history.last(ESTIMATE_ROUNDS)
    last = recent[-1] if recent else None
    seen = current.seen
    there = None
    if seen is not None and seen.fresh(monotonic):
        there = sum(one.online for one in seen.nodes)

    def moment(at: float | None) -> str | None:
        return None if at is None else rfc3339(wall + round((at - monotonic) * SECOND))

    paused = current.active and current.control.pause_reason is not None
    return Status(
        status=word_of(current),
        run=current.run_id,
        task=plan.task,
        engine=plan.engine,
        algorithm=plan.algorithm.algorithm,
        rounds=0 if last is None else last.round,
        current_round=(now.round or None) if current.active else None,
        max_rounds=plan.rounds,
        clients=len(seen.nodes) if seen is not None else known_nodes(current),
        connected_clients=there,
        active_clients=None if last is None else last.participants,
        current_accuracy=None if last is None else last.accuracy,
        best_accuracy=current.history.best_accuracy,
        current_loss=None if last is None else last.loss,
        training_active=current.active,
        training_paused=paused,
        pause_reason=current.control.pause_reason if paused else None,
        stop_reason=_stop_reason(current),
        policy_version=current.history.policy_version,
        waiting_for=list(now.waiting_for),
        message=_message(current, paused),
        stalled=now.stalled,
        since=moment(now.since),
        deadline=moment(now.deadline),
        started=rfc3339(current.began),
        ended=rfc3339_or_none(current.over),
        estimated_completion=rfc3339_or_none(_estimate(current, recent, wall, paused)),
        next_run=next_run,
    )


def known_nodes(current: Current) -> int | None:
    """How many nodes the run told of as it began."""
    return len(current.history.opening.nodes) or None


def _stop_reason(current: Current) -> str | None:
    """Why it ended before its last round, or is about to."""
    ended = current.ended or current.told
    return ended.reason if ended is not None else current.control.stop_reason


def _message(current: Current, paused: bool) -> str:
    now = current.progress.now
    if current.ended is not None:
        reason = f": {current.ended.reason}" if current.ended.reason else ""
        return f"run {current.run_id} is {ENDS[current.ended.state]}{reason}"
    if current.control.stop_reason is not None:
        return f"ends after this: {current.control.stop_reason}"
    if paused and now.activity != "paused":
        return f"pauses after this round: {current.control.pause_reason}"
    return now.message


def _estimate(current: Current, recent: list[RoundFacts], wall: int, paused: bool) -> int | None:
    """When the last round will be over, from the end of the newest one; nothing while paused."""
    if not current.active or paused or not recent or current.control.stop_reason is not None:
        return None
    left = max(0, current.order.plan.rounds - recent[-1].round)
    seconds = remaining_seconds(recent, left)
    return None if seconds is None else max(wall, recent[-1].ended + round(seconds * SECOND))
