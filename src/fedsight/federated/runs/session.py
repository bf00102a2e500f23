"""Journals one run from start to end, whatever the end is, and keeps what its rounds gave.

At the end of a round, in this order: the model version, the checkpoint, the journal's record. A run
that is killed in between has told of no round that it cannot go on from, and tells the one that it
had not told yet when it goes on.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from fedsight.errors import FedsightError, UsageError, told
from fedsight.federated.engines.simulated import named_tensors
from fedsight.federated.flat import Vector
from fedsight.federated.fleet import Fleet, NodeView, RoundLostError
from fedsight.federated.governance import Govern
from fedsight.federated.governing import Ruled
from fedsight.federated.node.personal import Tuning
from fedsight.federated.observation import SOURCE, RoundRecord, Translator
from fedsight.federated.plan import Plan
from fedsight.federated.rounds.control import (
    ConvergedError,
    DeniedError,
    Progressing,
    RunStoppedError,
)
from fedsight.federated.rounds.muster import Muster
from fedsight.federated.rounds.watchdog import Watchdog
from fedsight.federated.runs import personal
from fedsight.federated.runs.best import Best
from fedsight.federated.runs.checkpoint import Checkpoint, Checkpoints, Resumption
from fedsight.federated.runs.conductor import Conductor, Stage
from fedsight.federated.runs.outcome import Outcome, State, reported
from fedsight.federated.runs.personal import Personal
from fedsight.federated.runs.state import PARTS, joined, part
from fedsight.federated.runs.state import State as Remembered
from fedsight.federated.runs.telling import ModelKeeper, Recorder, Telling
from fedsight.federated.selection import NODES_SELECTED, Choice, details
from fedsight.federated.versions import Metrics
from fedsight.signals import Batch, Event, Json

if TYPE_CHECKING:
    from fedsight.federated.training import Steering

#: Before its first word a run looks for the nodes that it expects, so that it can name them.
GATHER_SECONDS = 10.0

#: A run's own part of a checkpoint, and its parts' part.
RUN, BEST = "run", "best"


class Session:
    """One run, from its first word to its last. With `resume`, it goes on from that checkpoint."""

    def __init__(
        self,
        plan: Plan,
        journal: Recorder,
        run_id: str,
        steering: Steering,
        *,
        models: ModelKeeper,
        checkpoints: Checkpoints | None,
        resume: Resumption | None,
    ) -> None:
        self._plan = plan
        self._journal = journal
        self._run_id = run_id
        self._steering = steering
        self.told = Telling(journal, run_id, steering.progress)
        self._models = models
        self._checkpoints = checkpoints
        self._resume = resume
        self._translator = Translator(run_id)
        self._choice: Event | None = None
        self._last: RoundRecord | None = None
        self._metrics = Metrics(None, None)
        self._best = Best(holds=plan.tuned.personal)
        self._personal: Personal | None = None
        self._opened = False
        self._verified: bool | None = None
        self._waits = False
        self._rounds = 0
        self._bytes_up = self._bytes_down = 0
        self._started = time.perf_counter()

    def _govern(self) -> Govern | None:
        """What makes the run's governance, where it is governed."""
        govern = self._steering.govern
        if govern is None:
            return None
        return lambda suspected: govern(
            Ruled(self._run_id, self._plan.rounds, self.told.say, suspected)
        )

    @property
    def progress(self) -> Progressing:
        """What the run says of itself."""
        return self._steering.progress

    def sleep(self, seconds: float) -> None:
        """Wait; raises RunStoppedError where the run is to stop."""
        self._steering.control.sleep(seconds)

    def waits(self, message: str) -> None:
        """Say what the run waits for, where it waits for a SuperLink."""
        self.progress.say(message)
        self._steering.on_wait(message)
        if not self._waits:
            self._waits = True
            self._tell_wait(message, self._plan.closing.wait_seconds)

    def goes_on(self, message: str) -> None:
        """Say that the SuperLink is there again."""
        self._waits = False
        self.progress.say(message)
        self._steering.on_wait(message)
        self._tell_wait(f"{message}; waiting for the nodes", None)

    def _tell_wait(self, message: str, most_seconds: float | None) -> None:
        if self._opened:
            details: dict[str, Json] = {"message": message, "deadline_seconds": most_seconds}
            self.told.say("ROUND_WAITING", details, round=self.progress.now.round)

    def on_nodes(self, nodes: Sequence[NodeView]) -> None:
        """The run has looked who is there."""
        if nodes:
            self._verified = all(node.verified for node in nodes)
        self._steering.on_nodes(nodes)

    def run(self, stage: Stage, *, muster: Muster | None = None, least: int = 0) -> Outcome:
        """Run it on `stage`; see `training.train`."""
        self._stage = stage
        if isinstance(stage.grid, Fleet):
            self._steering.on_fleet(stage.grid)
            if muster is None:
                self._steering.on_nodes(stage.grid.nodes())
        self._conductor = Conductor(
            stage,
            self._run_id,
            on_record=self._note,
            on_choice=self._chosen,
            after=self._after,
            say=self.told.say,
            control=self._steering.control,
            progress=self.progress,
            muster=muster,
            least=least,
            govern=self._govern(),
        )
        if self._resume is not None:
            self._load(self._resume.checkpoint)
        try:
            if muster is not None:
                muster.gather(least, GATHER_SECONDS, self.sleep)
                self._tell_lack(muster)
            with Watchdog(self.progress, self.told.stalled, self.told.went_on):
                vector, reason = self._trained()
                self._personalise(vector)
        except KeyboardInterrupt:
            return self._end("interrupted", "stopped by Ctrl-C", None)
        except RunStoppedError as stopped:
            by: Json = "policy" if isinstance(stopped, DeniedError) else None
            return self._end("stopped", str(stopped), self._conductor.model, by)
        except FedsightError as error:
            return self._end("failed", self._with_failures(str(error)), None)
        except (Exception, SystemExit) as error:  # the task's own code: the journal learns why
            self._end("failed", told(error), None)
            raise FedsightError(f"the run failed: {told(error)}") from error
        return self._end("finished", reason, vector)

    def _tell_lack(self, muster: Muster) -> None:
        """Fewer nodes than planned are no secret, nor a reason not to begin."""
        with suppress(RoundLostError):
            there = sum(node.online for node in muster.nodes())
            if there < self._plan.nodes:
                planned = self._plan.nodes
                self._steering.on_wait(f"{there} of {planned} nodes are there, more may come")

    def _trained(self) -> tuple[Vector, str | None]:
        """The final model, and why it came before the last round, if it did."""
        try:
            return self._begin_and_run(), None
        except ConvergedError as reached:
            return self._conductor.model, str(reached)

    def _personalise(self, vector: Vector) -> None:
        """Where the plan wants it, let nodes tune the best model: the last, where none is known."""
        tuned = self._plan.tuned
        if not tuned.personal:
            return
        best, round = self._best.model, self._best.round
        if best is None or round is None:
            best, round = vector, self._rounds
        tuning = Tuning(self._run_id, round, tuned.personal_epochs, tuned.personal_lr)
        self._personal = self._conductor.personalise(best, tuning)
        self._journal.append(personal.told(self._personal, self._run_id, SOURCE))

    def _begin_and_run(self) -> Vector:
        self._open()
        self._tell_doubts()
        if self._resume is None:
            return self._conductor.run()
        found = self._resume.checkpoint
        return self._conductor.run(found.model, found.round + 1)

    def _open(self) -> None:
        """The run's first word, once."""
        if self._opened:
            return
        self._opened = True
        if self._resume is None:
            self.told.say("RUN_STARTED", self._opening())
            return
        found = self._resume.checkpoint
        if self._resume.told < found.round:
            self._journal.append(found.record)
        self.told.say("RUN_CONTINUED", {"from_round": found.round, "rounds": self._plan.rounds})

    def _load(self, resume: Checkpoint) -> None:
        """Go on from a checkpoint. Raises UsageError where it is of another model."""
        if resume.model.shape != (len(self._stage.model),):
            raise UsageError(
                f"the model of run {resume.run} has {len(resume.model)} values, that of task"
                f" {self._plan.task} has {len(self._stage.model)}: the task has changed"
            )
        self._conductor.load(part(resume.state, PARTS))
        self._best.load(part(resume.state, BEST))
        facts = part(resume.state, RUN).facts
        self._rounds = resume.round
        self._bytes_up = cast(int, facts["bytes_up"])
        self._bytes_down = cast(int, facts["bytes_down"])
        self._metrics = Metrics.measured(
            cast("float | None", facts["accuracy"]), cast("float | None", facts["loss"])
        )

    def _chosen(self, round: int, choice: Choice) -> None:
        chosen = details(choice, self._stage.name)
        self._choice = self.told.event(NODES_SELECTED, chosen, round=round)

    def _note(self, record: RoundRecord) -> None:
        """A round has ended; `_after` follows at once."""
        self._last = record
        self._metrics = Metrics.measured(record.accuracy, record.loss)
        self._rounds = record.round
        self._bytes_down += record.down_bytes
        self._bytes_up += record.up_bytes

    def _after(self, round: int, vector: Vector) -> None:
        record = self._last
        if record is None:
            return
        self._best.note(round, self._metrics, vector)
        batch = self._translator.batch(record)
        if self._choice is not None:
            batch.events.insert(0, self._choice)
            self._choice = None
        try:
            self._models.keep(round, named_tensors(self._stage.model, vector), self._metrics)
            if self._checkpoints is not None:
                self._checkpoints.write(self._checkpoint(round, vector, batch))
        finally:
            if self._resume is None or self._resume.told < round:
                self._journal.append(batch)
        payload = record.down_bytes + record.up_bytes
        self._steering.on_round(reported(record, self._plan.rounds, payload))
        self._tell_doubts()

    def _checkpoint(self, round: int, vector: Vector, batch: Batch) -> Checkpoint:
        own = Remembered(
            {
                "bytes_up": self._bytes_up,
                "bytes_down": self._bytes_down,
                "accuracy": self._metrics.accuracy,
                "loss": self._metrics.loss,
            }
        )
        state = joined({RUN: own, BEST: self._best.state(), PARTS: self._conductor.state()})
        return Checkpoint(self._run_id, round, self._plan.config(), vector, state, batch)

    def _tell_doubts(self) -> None:
        for message in self._stage.doubts():
            used = {"asked": self._plan.local, "used": self._stage.local}
            self.told.say("LOCAL_TRAINING", {**used, "message": message})
            self._steering.on_doubt(message)

    def _with_failures(self, reason: str) -> str:
        """`reason`, and what the first node that failed in the last round said."""
        failures = () if self._last is None else reported(self._last, 0, 0).failures
        return f"{reason}; {failures[0]}" if failures else reason

    def _opening(self) -> dict[str, Json]:
        known = self._verified  # of simulated nodes nobody asks
        names: dict[str, Json] = {} if known is None else {"names_verified": known}
        return names | {
            "task": self._plan.task,
            "engine": self._stage.engine,
            "strategy": self._plan.algorithm.algorithm,
            "rounds": self._plan.rounds,
            "nodes": list(self._stage.names),
            "model_parameters": len(self._stage.model),
            "config": dict(self._plan.config()),
        }

    def _end(
        self, state: State, reason: str | None, vector: Vector | None, by: Json = None
    ) -> Outcome:
        digest = None if vector is None else hashlib.sha256(vector.tobytes()).hexdigest()
        self._open()
        self.progress.begin("ended", reason or "")
        said: dict[str, Json] = {"state": state, "reason": reason, "model_sha256": digest}
        self.told.say("RUN_ENDED", said | ({} if by is None else {"by": by}))
        if self._checkpoints is not None and state == "finished":
            self._checkpoints.remove(self._run_id)
        return Outcome(
            run_id=self._run_id,
            state=state,
            reason=reason,
            rounds=self._rounds,
            loss=self._metrics.loss,
            accuracy=self._metrics.accuracy,
            seconds=time.perf_counter() - self._started,
            bytes_up=self._bytes_up,
            bytes_down=self._bytes_down,
            model_sha256=digest,
            best_round=self._best.round,
            personal=self._personal,
        )
