"""A thread that sends a journal's records to a sink while the producer works on."""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import dataclass, replace

from fedsight.errors import JournalError
from fedsight.journal.file import READ_BYTES, Journal, Record
from fedsight.journal.refused import is_notice, refusal
from fedsight.journal.sink import DeliveryError, GapError, Sink
from fedsight.signals import Shipment

logger = logging.getLogger(__name__)

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
REFUSED_PAUSE = 30.0
POLL_SECONDS = 0.005


@dataclass(frozen=True)
class Health:
    """How shipping goes. Times are Unix nanoseconds; None: not yet.

    `refused`: the sink takes nothing more; `refused_records`: how many single records it refused
    for good, each replaced by a RECORD_REFUSED event.
    """

    waiting: int = 0
    last_success: int | None = None
    last_error: str | None = None
    last_error_time: int | None = None
    refused: bool = False
    refused_records: int = 0


def pause_after(failures: int, jitter: float) -> float:
    """Seconds to wait after so many failures in a row: 0.1 doubling to 5, `jitter` in [0, 1)."""
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 16))
    return longest * (0.5 + jitter / 2)


class Shipper:
    """Ships what `journal` holds to `sink` from `start` until `close`.

    Wakes at an append, at most once in `interval` seconds, so that tiny fast rounds are not held
    up. A sink that fails is tried again after a pause that grows; one that refuses, only seldom,
    and that is logged as an error. Nothing is lost meanwhile: the journal keeps it. One record
    that is refused for good gives its place to an event that says so, and does not hold the rest.
    """

    def __init__(
        self,
        journal: Journal,
        sink: Sink,
        *,
        records: int = 1000,
        max_bytes: int = READ_BYTES,
        interval: float = 0.2,
    ) -> None:
        self._journal = journal
        self._sink = sink
        self._records = records
        self._max_bytes = max_bytes
        self._interval = interval
        self._jitter = random.Random()
        self._failures = 0
        self._alone_until = 0
        self._health = Health()
        self._hurry = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="shipper", daemon=True)

    @property
    def health(self) -> Health:
        """How shipping goes at this moment."""
        return replace(self._health, waiting=self._journal.waiting)

    def start(self) -> Shipper:
        """Begin with what the journal already holds."""
        self._journal.nudge()
        self._thread.start()
        return self

    def flush(self, timeout: float) -> bool:
        """Wait until all that was appended so far is shipped; whether that came to be in time."""
        wanted = self._journal.last_seq
        self._hurry.set()
        self._journal.nudge()
        deadline = time.monotonic() + timeout
        while self._journal.shipped_seq < wanted:
            if time.monotonic() >= deadline or not self._thread.is_alive():
                return False
            time.sleep(POLL_SECONDS)
        return True

    def close(self, timeout: float = 6.0) -> None:
        """Stop the thread, waiting for a request under way; does not flush."""
        self._stop.set()
        self._hurry.set()
        self._journal.nudge()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def __enter__(self) -> Shipper:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _loop(self) -> None:
        while not self._stop.is_set():
            self._journal.wait_for_news()
            pause = self._attempt()
            if pause > self._interval:
                self._journal.nudge()
            self._rest(pause)

    def _rest(self, pause: float) -> None:
        """Sleep; a flush cuts it short, but not to nothing while the sink keeps failing."""
        if self._hurry.wait(pause):
            self._hurry.clear()
            if self._failures:
                self._stop.wait(min(pause, FIRST_PAUSE))

    def _attempt(self) -> float:
        try:
            self._ship_all()
        except DeliveryError as error:
            return self._failed(error, error.refused)
        except (JournalError, GapError) as error:
            return self._failed(error, refused=False)
        except Exception as error:  # the loop must outlive a sink's bug: training goes on
            logger.exception("shipping journal %s failed", self._journal.path)
            return self._failed(error, refused=False)
        return self._interval

    def _failed(self, error: Exception, refused: bool) -> float:
        self._failures += 1
        message = f"{error}"
        if refused and message != self._health.last_error:
            logger.error("records of journal %s are refused: %s", self._journal.path, message)
        self._health = replace(
            self._health, last_error=message, last_error_time=time.time_ns(), refused=refused
        )
        if refused:
            return REFUSED_PAUSE
        return max(self._interval * 1.01, pause_after(self._failures, self._jitter.random()))

    def _ship_all(self) -> None:
        while self._journal.waiting and not self._stop.is_set():
            self._ship_some()

    def _ship_some(self) -> None:
        journal = self._journal
        oldest = journal.oldest_seq
        # Where a batch was refused, its records go one by one, to find the one that is why.
        most = 1 if journal.shipped_seq < self._alone_until else self._records
        records = journal.read(journal.shipped_seq, most, self._max_bytes)
        first = records[0].seq
        shipment = Shipment(journal.id, first, oldest, [record.batch for record in records])
        try:
            journal.mark_shipped(self._sink.send(shipment) - 1)
        except GapError as gap:
            if max(gap.expected_seq, journal.oldest_seq) >= first:
                raise
            journal.mark_shipped(gap.expected_seq - 1)
            return
        except DeliveryError as error:
            if not error.of_a_record or is_notice(records[0].batch):
                raise
            self._part(records, error)
            return
        self._succeeded()

    def _part(self, records: list[Record], error: DeliveryError) -> None:
        """Send these one by one from now on; one alone is what is refused: replace it."""
        if len(records) > 1:
            self._alone_until = records[-1].seq
            return
        seq, refused = records[0]
        logger.error("record %d of journal %s is refused: %s", seq, self._journal.path, error)
        self._journal.replace(seq, refusal(self._journal.id, seq, refused, error))
        count = self._health.refused_records + 1
        self._health = replace(self._health, refused_records=count)

    def _succeeded(self) -> None:
        self._failures = 0
        count = self._health.refused_records
        self._health = Health(last_success=time.time_ns(), refused_records=count)
