"""The start that tests use: rounds of given figures instead of training, steered like a real run.

It journals what a real run does, in the same batches, and obeys its control at the same points.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Semaphore

from fedsight.federated.api.runs import Assignment, Ended
from fedsight.federated.fleet import Kind, NodeView
from fedsight.federated.observation import SOURCE, NodeRound, Period, RoundRecord, Translator
from fedsight.federated.rounds.control import RunStoppedError
from fedsight.signals import Batch, Event

SECOND = 1_000_000_000


class Scripted:
    """Every round ends when `let` is called, with the next of `accuracies` (None: not measured).

    `nodes` nodes train; those in `failing` raise. With `error` the run fails at once.
    """

    def __init__(
        self,
        accuracies: Sequence[float | None] = (0.5, 0.75),
        *,
        nodes: int = 2,
        failing: frozenset[str] = frozenset(),
        error: Exception | None = None,
        kind: Kind = "simulated",
    ) -> None:
        self._accuracies = accuracies
        self._names = [f"client-{at}" for at in range(nodes)]
        self._failing = failing
        self._error = error
        self._kind = kind
        self._turn = Semaphore(0)
        self.started = Semaphore(0)

    def let(self, rounds: int = 1) -> None:
        """Let so many rounds end."""
        self._turn.release(rounds)

    def __call__(self, assignment: Assignment) -> Ended:
        """As `Start`."""
        progress, rounds = assignment.progress, assignment.order.plan.rounds
        if self._error is not None:
            raise self._error
        self._say(assignment, "RUN_STARTED", nodes=self._names, model_parameters=10)
        assignment.on_nodes(
            [NodeView(at, name, at, self._kind) for at, name in enumerate(self._names)]
        )
        translator = Translator(assignment.run_id)
        try:
            for at in range(1, rounds + 1):
                progress.at(at, rounds)
                self._pass_gate(assignment)
                progress.begin("training", f"round {at} of {rounds}")
                self.started.release()
                self._wait(assignment)
                assignment.note(translator.batch(self._round(assignment.run_id, at)))
        except RunStoppedError as stopped:
            self._say(assignment, "RUN_ENDED", state="stopped", reason=str(stopped))
            return Ended("stopped", str(stopped))
        self._say(assignment, "RUN_ENDED", state="finished", reason=None)
        return Ended("finished")

    def _pass_gate(self, assignment: Assignment) -> None:
        def paused(reason: str) -> None:
            assignment.progress.begin("paused", reason)
            self._say(assignment, "RUN_PAUSED", reason=reason)

        assignment.control.pass_gate(paused, lambda: self._say(assignment, "RUN_RESUMED"))

    def _wait(self, assignment: Assignment) -> None:
        while not self._turn.acquire(timeout=0.01):
            assignment.control.check()

    def _round(self, run: str, round: int) -> RoundRecord:
        accuracy = self._accuracies[min(round, len(self._accuracies)) - 1]
        ended = time.time_ns()
        record = RoundRecord(run, round, ended - 2 * SECOND, ended, accuracy=accuracy)
        record.loss = None if accuracy is None else 1.0 - accuracy
        record.train_loss = 0.25
        record.aggregate = Period(ended - SECOND, ended - SECOND // 2)
        record.evaluate = Period(ended - SECOND // 2, ended)
        record.nodes = [self._node(name) for name in self._names]
        return record

    def _node(self, name: str) -> NodeRound:
        if name in self._failing:
            return NodeRound(name, "failed", "out of memory", payload_down_bytes=1000)
        return NodeRound(
            name,
            "trained",
            samples=100,
            train_loss=0.25,
            train_accuracy=0.5,
            train_seconds=0.125,
            payload_down_bytes=1000,
            payload_up_bytes=1000,
        )

    def _say(self, assignment: Assignment, kind: str, **details: object) -> None:
        event = Event(time.time_ns(), SOURCE, kind, assignment.run_id, details=dict(details))
        assignment.note(Batch(events=[event]))
