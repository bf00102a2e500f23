"""The parts of one forecaster: the loop that looks at the windows, and what its routes read."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from fedsight.door.times import now_ns
from fedsight.errors import FedsightError
from fedsight.forecast.service import telling
from fedsight.forecast.service.looking import Look, Looked, Seen
from fedsight.forecast.service.memory import Memory
from fedsight.forecast.service.options import ForecastOptions
from fedsight.forecast.service.predictor import Loaded, Versions
from fedsight.forecast.service.retraining import AGAIN_SECONDS, RetrainError, Trainer
from fedsight.forecast.service.state import StateFile
from fedsight.journal import Journal, Shipper, Sink
from fedsight.signals import Batch, Event, batch
from fedsight.telemetry.windows import Windows

logger = logging.getLogger(__name__)

JOURNAL = "forecast"
STOP_SECONDS = 10.0
#: Runs that are begun for the drift of one version, at the most: what none of them mended, no other
#: will (a version that is told, or was promoted, stays).
MOST_RUNS = 3


class Begun(Struct, frozen=True):
    """How many runs were begun since `version` drifts."""

    version: str = ""
    runs: int = 0


@dataclass(frozen=True)
class Standing:
    """How a forecaster stands: replaced as a whole, so that any thread may read it."""

    loaded: Loaded | None = None
    looked: Looked | None = None
    #: Why there is no model version, or why the last look failed; None while all is well.
    no_model: str | None = "the model is being loaded"
    fault: str | None = None

    @property
    def nodes(self) -> dict[str, Seen]:
        """Every node after the last look."""
        return {} if self.looked is None else self.looked.nodes


class Forecasting:
    """One forecaster over its parts; `run` looks at the windows until `close`.

    Raises StoreError and JournalInUseError where another forecaster has the data directory.
    """

    def __init__(
        self,
        options: ForecastOptions,
        versions: Versions,
        windows: Windows,
        sink: Sink,
        trainer: Trainer,
    ) -> None:
        self.options = options
        self.standing = Standing()
        #: What looks use; it stands once one look with it has gone well.
        self._loaded: Loaded | None = None
        self._versions = versions
        self._trainer = trainer
        self.journal = Journal(options.journals, JOURNAL, max_bytes=options.journal_bytes)
        self._state = StateFile(options.state)
        self.step_seconds = windows.interval_ns / 1e9
        self.memory = Memory(options, self._state, windows.interval_ns)
        self._look = Look(options, windows, self.memory, self._append)
        self.shipper = Shipper(self.journal, sink)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="forecaster", daemon=True)
        kept = self._state.fact("retrained")
        self._next_training = 0 if kept is None else int(kept)
        begun = self._state.fact("begun")
        self._begun = Begun() if begun is None else msgspec.json.decode(begun, type=Begun)

    def start(self) -> None:
        """Begin to look, and to send what is journaled."""
        self.shipper.start()
        self._thread.start()

    def close(self) -> None:
        """End after the look under way; what is not sent yet stays in the journal."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)
        self.shipper.close()
        self.journal.close()
        self._state.close()

    def _append(self, told: Batch) -> None:
        self.journal.append(told)

    def _loop(self) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except FedsightError as error:
                self._failed(str(error))
            except Exception as error:  # the loop must outlive a fault: what it does not know yet
                # may be a fault of one node's rows, and the others' are foreseen at the next look
                logger.exception("a look at the windows failed")
                self._failed(f"{type(error).__name__}: {error}")
            self._stop.wait(self.options.interval)

    def _failed(self, fault: str) -> None:
        if fault != self.standing.fault:
            logger.warning("%s", fault)
        before = self.standing
        self.standing = Standing(before.loaded, before.looked, before.no_model, fault)

    def look(self) -> None:
        """One pass: take a newer version if there is one, look, and train again where it drifts.

        Raises FedsightError where the windows or the disk fail.
        """
        before = self.standing
        loaded, no_model = self._version(self._loaded)
        self._loaded = loaded
        if loaded is None:
            self.standing = Standing(None, before.looked, no_model)
            return
        looked = self._look.look(loaded, before.nodes)
        self.standing = Standing(loaded, looked, no_model)
        if self.memory.drift.drifting:
            self._train_again(loaded.version)

    def _version(self, now: Loaded | None) -> tuple[Loaded | None, str | None]:
        """The version to use, and why no newer one can be had."""
        try:
            found = self._versions.newest(None if now is None else now.version)
        except FedsightError as error:
            if str(error) != self.standing.no_model:
                logger.warning("%s", error)
            return now, str(error)
        if found is not None:
            self.memory.use(found)
            logger.info("model %s foresees %s", found.version, ", ".join(found.shape.metrics))
        return found or now, None

    def _train_again(self, version: str) -> None:
        """Begin a run where the settings allow it and the last is long enough ago."""
        now = now_ns()
        if self.options.retrain != "run" or now < self._next_training:
            return
        begun = self._begun if self._begun.version == version else Begun(version)
        if begun.runs >= MOST_RUNS:
            return
        event: Event
        try:
            event = telling.started(now, version, self._trainer.begin())
            pause = self.options.cool_down
            self._begun = Begun(version, begun.runs + 1)
        except RetrainError as error:
            logger.warning("training again could not begin: %s", error)
            event = telling.refused(now, version, str(error))
            pause = min(AGAIN_SECONDS, self.options.cool_down)
        self._next_training = now + int(pause * 1e9)
        facts = {
            "retrained": str(self._next_training).encode(),
            "begun": msgspec.json.encode(self._begun),
        }
        self._state.write({}, (), facts, 0)
        self._append(batch(events=[event]))
