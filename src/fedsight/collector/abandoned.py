"""Fetches what died producers left in their journals, and says that their runs were interrupted.

A journal of which the store has everything is removed after a time.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from fedsight.collector.ingest import Ingest
from fedsight.collector.reading import queries
from fedsight.collector.store.hotlog import prepared
from fedsight.collector.store.readers import Readers
from fedsight.door.refusal import BadFieldError
from fedsight.door.times import now_ns
from fedsight.errors import FedsightError, StoreError
from fedsight.journal import DeliveryError, Journal, JournalInUseError, Shipper, orphans
from fedsight.signals import Batch, Event, Shipment

logger = logging.getLogger(__name__)

REASON = "the training process ended without a word"
#: How long one journal may take to be fetched before the next has its turn.
JOURNAL_SECONDS = 120.0
#: How often to look whether it will come to anything.
GLANCE_SECONDS = 0.5
#: Longer than one shipment takes.
STOP_SECONDS = 8.0


class IngestSink:
    """A journal's `Sink` inside the collector's own process."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest

    def send(self, shipment: Shipment) -> int:
        """As `Sink.send`."""
        try:
            return self._ingest.submit(prepared(shipment)).result()
        except BadFieldError as error:
            message = f"{error.field}: {error}"
            raise DeliveryError(message, refused=True, field=error.field) from error
        except StoreError as error:
            raise DeliveryError(str(error)) from error


class Abandoned:
    """A thread that looks after a folder of journals at once and then every `pause` seconds.

    A journal that nobody has written to for `keep_seconds` is removed once all of it is shipped.
    """

    def __init__(
        self,
        folder: Path,
        ingest: Ingest,
        readers: Readers,
        *,
        pause: float,
        keep_seconds: float,
    ) -> None:
        self._folder = folder
        self._sink = IngestSink(ingest)
        self._readers = readers
        self._pause = pause
        self._keep_seconds = keep_seconds
        self._spent: dict[Path, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="abandoned", daemon=True)
        #: Why a journal could not be fetched at the last look; None while all is well.
        self.error: str | None = None

    def start(self, *, from_the_beginning: bool) -> None:
        """Begin; `from_the_beginning` where the store is new and wants all that journals hold."""
        if from_the_beginning:
            take_back(self._folder)
        self._thread.start()

    def close(self) -> None:
        """Stop after the journal at hand."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(STOP_SECONDS)

    def _loop(self) -> None:
        while not self._stop.is_set():
            try:
                self.error = self.look()
            except Exception as error:  # one bad journal must not end the looking
                logger.exception("cannot fetch abandoned journals in %s", self._folder)
                self.error = str(error)
            self._stop.wait(self._pause)

    def look(self) -> str | None:
        """Fetch every journal that nobody owns, and end the runs that it left open.

        Returns why one of them could not be fetched, None where all were.
        """
        problem = None
        for journal in orphans(self._folder, self._spent):
            if self._stop.is_set():
                break
            problem = self._fetch(journal) or problem
        self._remove_old()
        return problem

    def _remove_old(self) -> None:
        """Remove journals that are old and done with, each under its own lock."""
        before = time.time() - self._keep_seconds
        for path in sorted(self._folder.glob("*.sqlite")):
            try:
                if self._stop.is_set() or path.stat().st_mtime > before:
                    continue
                journal = Journal(self._folder, path.stem, wait=0)
            except (FedsightError, ValueError, FileNotFoundError):  # owned, gone, or damaged
                continue
            with journal:
                if self._done_with(journal):
                    journal.remove()
                    self._spent.pop(path, None)

    def _done_with(self, journal: Journal) -> bool:
        """Whether this very store has all of it, and no run of it is open."""
        if journal.waiting or journal.open_runs:
            return False
        held = self._readers.ask_now(lambda store: queries.journal_seq(store, journal.id))
        return held >= journal.last_seq

    def _fetch(self, journal: Journal) -> str | None:
        problem = self._ship(journal)
        if problem is None and journal.open_runs:
            for run in sorted(journal.open_runs):
                journal.append(self._interrupted(run))
            problem = self._ship(journal)
        return problem

    def _ship(self, journal: Journal) -> str | None:
        """Send what waits; why that did not come about, None where it did.

        Gives up at a refusal, which sending again does not mend, and when told to stop.
        """
        deadline = time.monotonic() + JOURNAL_SECONDS
        with Shipper(journal, self._sink, interval=0.01) as shipper:
            while not shipper.flush(GLANCE_SECONDS):
                health = shipper.health
                over = self._stop.is_set() or time.monotonic() >= deadline
                if health.refused or over:
                    return f"journal {journal.path}: {health.last_error or 'not fetched yet'}"
        return None

    def _interrupted(self, run: str) -> Batch:
        """The run ended when its last signal came, as far as anyone can tell."""
        last = self._readers.ask_now(lambda store: queries.last_signal(store, run))
        details = {"state": "interrupted", "reason": REASON}
        when = now_ns() if last is None else last
        return Batch(events=[Event(when, "federated", "RUN_ENDED", run, details=details)])


def take_back(folder: Path) -> None:
    """Mark every journal that nobody owns as not shipped: a new store wants all they hold."""
    for path in sorted(folder.glob("*.sqlite")):
        try:
            with Journal(folder, path.stem, wait=0) as journal:
                journal.mark_shipped(0)
        except JournalInUseError:
            continue
        except (FedsightError, ValueError) as error:
            logger.warning("%s", error)
