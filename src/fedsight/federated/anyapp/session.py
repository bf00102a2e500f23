"""Journals one run of a Flower app from start to end, whatever the end is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fedsight.errors import FedsightError, told
from fedsight.federated.anyapp.project import ConfigValue
from fedsight.federated.anyapp.seen import SeenRounds
from fedsight.federated.observation import RoundRecord, Translator, Turn
from fedsight.federated.rounds.control import Control, ConvergedError, Progressing, RunStoppedError
from fedsight.federated.rounds.watchdog import Watchdog
from fedsight.federated.runs.outcome import Outcome, RoundReport, State, reported
from fedsight.federated.runs.telling import ModelKeeper, Recorder, Telling
from fedsight.federated.versions import Metrics
from fedsight.signals import Json

if TYPE_CHECKING:
    from torch import Tensor

STRATEGY = "flower app"


@dataclass(frozen=True)
class Opening:
    """What is known of a run before it begins."""

    app: str
    engine: str
    config: Mapping[str, ConfigValue] = field(default_factory=dict)


@dataclass
class AppSteering:
    """What a run is steered by and told to; a `training.Steering` will do."""

    control: Control = field(default_factory=Control)
    progress: Progressing = field(default_factory=Progressing)
    on_round: Callable[[RoundReport], None] = lambda _: None
    on_doubt: Callable[[str], None] = lambda _: None
    on_wait: Callable[[str], None] = lambda _: None


class AppSession:
    """One run. `seen` is told of its messages; `name` and `turn` are those of its grid.

    `models`, where there are any, keeps models of servers that hand them over (`Observed`).
    """

    def __init__(
        self,
        opening: Opening,
        journal: Recorder,
        run_id: str,
        steering: AppSteering,
        *,
        models: ModelKeeper | None = None,
        name: Callable[[int], str] = str,
        names: Callable[[], list[str]] = list,
        turn: Callable[[str], Turn | None] = lambda _: None,
    ) -> None:
        self.opening = opening
        self.run_id = run_id
        self.models = models
        self.name = name
        self._names = names
        self._journal = journal
        self._steering = steering
        told = self._telling = Telling(journal, run_id, steering.progress)
        self.say = told.say
        self._translator = Translator(run_id)
        self._began = time.time_ns()
        self._started = time.perf_counter()
        self._last: RoundRecord | None = None
        self._bytes_up = self._bytes_down = 0
        self.rounds: int | None = None
        self.described = False
        self.error: BaseException | None = None
        self.trouble: Exception | None = None
        self.seen = SeenRounds(run_id, self.note, self.say, name=name, turn=turn)

    @property
    def control(self) -> Control:
        """What pauses and stops the run."""
        return self._steering.control

    @property
    def progress(self) -> Progressing:
        """What the run says of itself."""
        return self._steering.progress

    def doubt(self, message: str) -> None:
        """Tell whoever started the run."""
        self._steering.on_doubt(message)

    def describe(
        self,
        *,
        rounds: int | None = None,
        parameters: int | None = None,
        strategy: str = STRATEGY,
    ) -> None:
        """Say what has become known of the run: it is the same beginning, told better."""
        self.rounds = rounds
        self.described = True
        self._open(strategy, rounds, parameters)

    def run(self, work: Callable[[], object]) -> Outcome:
        """Do the work and journal how it ended; what it raised is in `error`."""
        self._open(STRATEGY, None, None)
        state, reason = self._done(work)
        self.seen.close()
        return self._end(state, reason)

    def _done(self, work: Callable[[], object]) -> tuple[State, str | None]:
        try:
            with Watchdog(self.progress, self._telling.stalled, self._telling.went_on):
                work()
            self._raise_what_was_hidden()
        except KeyboardInterrupt as error:
            self.error = error
            return "interrupted", "stopped by Ctrl-C"
        except ConvergedError as reached:
            self.error = reached
            return "finished", str(reached)
        except RunStoppedError as stopped:
            self.error = stopped
            return "stopped", str(stopped)
        except FedsightError as error:
            self.error = error
            return "failed", str(error)
        except (Exception, SystemExit) as error:  # the app's own code: its failure ends the run
            self.error = error
            return "failed", told(error)
        return "finished", None

    def _raise_what_was_hidden(self) -> None:
        """Servers of the older kind ask their nodes in threads, and count what is raised there,
        a stop too, as a node's failure."""
        self.control.check()
        if self.trouble is not None and self.seen.last == 0:
            raise self.trouble

    def _open(self, strategy: str, rounds: int | None, parameters: int | None) -> None:
        details: dict[str, Json] = {
            "task": self.opening.app,
            "engine": self.opening.engine,
            "strategy": strategy,
            "rounds": rounds,
            "nodes": list(self._names()),
            "model_parameters": parameters,
            "config": dict(self.opening.config),
        }
        self.say("RUN_STARTED", details, when=self._began)

    def keep(
        self, round: int, tensors: Callable[[], Mapping[str, Tensor]], metrics: Metrics
    ) -> None:
        """Keep a round's model where models are kept; one of a kind that cannot be is told once.

        Raises FedsightError where it cannot be written.
        """
        if self.models is None:
            return
        try:
            named = tensors()
        except (TypeError, ValueError) as error:
            self.models = None
            self.doubt(f"models of this app are not kept: {error}")
            return
        self.models.keep(round, named, metrics)

    def note(self, record: RoundRecord) -> None:
        """Journal a round that has ended."""
        self._last = record
        self._bytes_down += record.down_bytes
        self._bytes_up += record.up_bytes
        self._journal.append(self._translator.batch(record))
        payload = record.down_bytes + record.up_bytes
        self._steering.on_round(reported(record, self.rounds or 0, payload))

    def _end(self, state: State, reason: str | None) -> Outcome:
        self.progress.begin("ended", reason or "")
        self.say("RUN_ENDED", {"state": state, "reason": reason, "model_sha256": None})
        last = self._last
        found = Metrics(None, None) if last is None else Metrics.measured(last.accuracy, last.loss)
        return Outcome(
            run_id=self.run_id,
            state=state,
            reason=reason,
            rounds=0 if last is None else last.round,
            loss=found.loss,
            accuracy=found.accuracy,
            seconds=time.perf_counter() - self._started,
            bytes_up=self._bytes_up,
            bytes_down=self._bytes_down,
            model_sha256=None,
        )
