"""Brings samples from the hot log to InfluxDB, in the background.

Samples are acknowledged once they are in the hot log; there they wait, and are deleted once
InfluxDB has them. So it may be gone for an hour or be killed at any moment, and nothing that was
acknowledged is lost; what is written twice replaces itself.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from fedsight.collector.influx.client import Influx, InfluxError, UnwritableError
from fedsight.collector.influx.lines import Place, place_of
from fedsight.collector.influx.placing import Placed, Placing
from fedsight.collector.ingest import Ingest
from fedsight.collector.store.hot_rows import decoded
from fedsight.collector.store.raw import RawSamples
from fedsight.collector.store.schema import connect_reader
from fedsight.collector.store.series_index import SeriesIndex
from fedsight.door.times import now_ns
from fedsight.errors import StoreError
from fedsight.signals import Event, batch

logger = logging.getLogger(__name__)

#: Samples written at once: InfluxDB asks for 5,000 to 10,000 points a request.
AT_ONCE = 10_000
#: Seconds between two looks for new samples, and the first and longest pause after a failure.
PAUSE = 1.0
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
WAITING = "SELECT coalesce(sum(n), 0) FROM sample_batches INDEXED BY sample_batches_of_run"


@dataclass
class ForwardCounts:
    """What was done since the start: samples written, writes, failed writes."""

    samples: int = 0
    writes: int = 0
    failures: int = 0


class Forwarding:
    """A thread that empties the hot log of samples into InfluxDB.

    Where `most` samples wait because InfluxDB is away, ingest takes no more of them.
    """

    def __init__(
        self, file: Path, ingest: Ingest, influx: Influx, index: SeriesIndex, *, most: int
    ) -> None:
        self._file = file
        self._ingest = ingest
        self._influx = influx
        self._index = index
        self._most = most
        self._placing = Placing(influx)
        self._places: dict[int, Place] = {}
        self._prepared = False
        self._woken, self._ending = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._loop, name="influxdb", daemon=True)
        self.counts = ForwardCounts()
        #: Samples that waited in the hot log when a write failed last.
        self.waiting = 0
        #: Why InfluxDB does not take samples; None while it does.
        self.error: str | None = None

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Say that there are samples; from any thread."""
        self._woken.set()

    def forget(self) -> None:
        """Believe nothing of what InfluxDB had when it was asked last."""
        self._prepared = False
        self._placing.forget()

    def close(self) -> None:
        """Stop after the write under way; what waits stays in the hot log."""
        self._ending.set()
        self._woken.set()
        self._thread.join()

    def _loop(self) -> None:
        pause = FIRST_PAUSE
        while not self._ending.is_set():
            try:
                if not self.forward():
                    self._woken.wait(PAUSE)
                    self._woken.clear()
                self._tell(None)
                pause = FIRST_PAUSE
            except Exception as error:  # this thread must outlive whatever one write meets
                if not isinstance(error, InfluxError | StoreError):
                    logger.exception("samples cannot be brought to InfluxDB")
                self._failed(error)
                self._ending.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)

    def _failed(self, error: Exception) -> None:
        self.counts.failures += 1
        self.forget()
        self._tell(str(error))
        try:
            with closing(connect_reader(self._file)) as snapshot:
                (self.waiting,) = snapshot.execute(WAITING).fetchone()
        except sqlite3.Error as unread:  # as many as before, as far as is known
            logger.warning("cannot count the samples that wait for InfluxDB: %s", unread)
        self._ingest.refuse_samples(self._reason(self.waiting))

    def _reason(self, waiting: int) -> str | None:
        """Why no more samples are taken in; None where they are."""
        if waiting < self._most:
            return None
        return f"{waiting} samples wait for InfluxDB, at most {self._most} may: {self.error}"

    def _tell(self, error: str | None) -> None:
        """Record the change as an event: once when it is gone, once when it is back."""
        before, self.error = self.error, error
        if (before is None) == (error is None):
            return
        if error is None:
            self._ingest.refuse_samples(None)
            self._note("INFLUXDB_REACHED", {})
        else:
            self._note("INFLUXDB_AWAY", {"error": error})

    def _note(self, kind: str, details: dict[str, object]) -> None:
        try:
            self._ingest.keep(batch(events=[Event(now_ns(), "collector", kind, details=details)]))
        except StoreError:
            return  # the collector is ending

    def forward(self) -> bool:
        """Write the oldest samples and take them from the hot log; False where there are none."""
        if not self._prepared:
            self._influx.prepare()
            self._prepared = True
        with closing(connect_reader(self._file)) as snapshot:
            last, samples = self._oldest(snapshot)
        if not last:
            return False
        for at in range(0, len(samples), AT_ONCE):
            self._write(samples[at : at + AT_ONCE])
        self._ingest.change(lambda db: _take(db, last, len(samples))).result()
        self.counts.samples += len(samples)
        return True

    def _write(self, samples: list[Placed]) -> None:
        try:
            self._influx.write(self._placing.lines(samples))
        except UnwritableError as error:
            # It took the others. For ever is long enough to say it once and go on.
            self._note("INFLUXDB_REFUSED", {"error": str(error), "samples": len(samples)})
        self._placing.written(samples)
        self.counts.writes += 1

    def _oldest(self, snapshot: sqlite3.Connection) -> tuple[int, list[Placed]]:
        """The oldest batches, of about so many samples as are written at once, and the last id."""
        last = held = 0
        query = "SELECT id, n FROM sample_batches ORDER BY id LIMIT 1000"
        for id_, n in snapshot.execute(query):
            last, held = id_, held + n
            if held >= AT_ONCE:
                break
        piece = decoded(snapshot, 0, last) if last else None
        if piece is None:
            return 0, []
        self._index.refresh(snapshot)
        return last, self._placed(piece.samples)

    def _placed(self, samples: RawSamples) -> list[Placed]:
        columns = (column.tolist() for column in samples)
        return [
            Placed(self._place(series), time, round_, value)
            for series, time, round_, value in zip(*columns, strict=True)
        ]

    def _place(self, series: int) -> Place:
        found = self._places.get(series)
        if found is None:
            found = self._places[series] = place_of(self._index.series(series))
        return found


def _take(db: sqlite3.Connection, last: int, number: int) -> None:
    """Delete the batches that InfluxDB has, and count what was in them."""
    db.execute("DELETE FROM sample_batches WHERE id <= ?", (last,))
    db.execute(
        "INSERT INTO forwarded VALUES ('influxdb', ?)"
        " ON CONFLICT (store) DO UPDATE SET samples = samples + excluded.samples",
        (number,),
    )
