"""Watches what was committed: rules, detectors and suspects, beside ingest and never in its way."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from fedsight.collector.alerts.finding import Finding, Findings
from fedsight.collector.anomalies.detecting import Detecting
from fedsight.collector.anomalies.options import AnomalyOptions
from fedsight.collector.anomalies.pieces import Piece, pieces
from fedsight.collector.anomalies.remembered import Suspicion
from fedsight.collector.anomalies.ruled import PARTICIPANTS, SELECTED, Ruled, ruled
from fedsight.collector.anomalies.suspects import CLEARED, ENDED, SCORE, SUSPECTED, Suspects
from fedsight.collector.ending import end_loops
from fedsight.collector.ingest import Ingest
from fedsight.collector.store.contract import NAME_LABEL, Matcher, SampleSearch, Selection
from fedsight.collector.store.names import names_of
from fedsight.collector.store.prepare import Record
from fedsight.door.times import now_ns
from fedsight.errors import FedsightError
from fedsight.signals import Event

logger = logging.getLogger(__name__)

#: Points and events that wait at most; what comes beyond is dropped, and counted.
MOST_WAITING = 50_000
#: Looked at in one go, in a thread: the event loop is free meanwhile.
BATCH_POINTS = 2000
#: Watching takes at most this share of a processor: it shares the interpreter with ingest.
MOST_SHARE = 0.25
#: Metrics of which what came before does not matter.
NO_PAST = frozenset({SCORE, PARTICIPANTS, SELECTED})
#: Names of metrics whose answer is remembered.
MOST_NAMES = 10_000
SECOND, HOUR = 10**9, 3600 * 10**9
#: Points of a series' past that are read at most.
MOST_HISTORY = 200_000
PAUSE_AFTER_ERROR = 1.0
#: How far a point may lie ahead of our clock. One further ahead is not looked at: beside it all
#: that comes after would be late.
AHEAD_SECONDS = 300
#: What looking at what still waits may take at the end.
FINISH_SECONDS = 2.0


class Search(Protocol):
    """`Collector.search`."""

    def __call__(self, question: Callable[[SampleSearch], Any]) -> Awaitable[Any]:
        """What `question` answers about samples."""
        ...


class Watching:
    """Looks at every commit. Make it in the event loop.

    What a detector knows is not written down: when a series' first point comes after a start, its
    past is read from the store. `suspicions` are those that were told before the start and still
    stand (`remembered`). A finding is reported once what it is about was committed.
    """

    def __init__(
        self,
        options: AnomalyOptions,
        search: Search,
        findings: Findings,
        suspicions: Sequence[Suspicion] = (),
    ) -> None:
        self._options = options
        self._search = search
        self._findings = findings
        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._lock = threading.Lock()
        self._waiting: deque[Piece | Event] = deque()
        self._waiting_points = 0
        self._wanted: dict[str, bool] = {}
        self._suspects = Suspects()
        self._ending = False
        for one in suspicions:
            again = self._suspects.told(one.event)
            if not one.known:
                findings.report(again)
        self._ruled, self._learned = Ruled(), dict[str, None]()
        self.detecting = Detecting(options.tuning, options.series)
        #: Points and events that were dropped since too many waited.
        self.dropped = 0
        #: Why the last look failed; None while all is well.
        self.error: str | None = None

    def start(self, ingest: Ingest) -> None:
        """Begin to look at what `ingest` commits."""
        ingest.taps.append(self.tap)
        self._task = asyncio.create_task(self.run())

    async def close(self) -> None:
        """End, once what waits was looked at, or FINISH_SECONDS later."""
        self._ending = True
        self._woken.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=FINISH_SECONDS)
        await end_loops(self._task)

    def tap(self, records: Sequence[Record]) -> None:
        """Note what a commit brought, in the writing thread: no more than handing it over."""
        found: list[Piece | Event] = []
        latest = now_ns() + AHEAD_SECONDS * SECOND
        for record in records:
            for block in record.samples:
                wanted = {name for name in names_of(block.series).metrics if self._wants(name)}
                if wanted:
                    taken, left_out = pieces(block, wanted, MOST_WAITING, latest)
                    found += taken
                    self.dropped += left_out
            for entry in record.events:
                if entry.event.kind in (SUSPECTED, CLEARED, ENDED):
                    found.append(entry.event)
        if found:
            self._put(found)

    def _wants(self, name: str) -> bool:
        known = self._wanted.get(name)
        if known is None:
            if len(self._wanted) >= MOST_NAMES:
                self._wanted.clear()
            known = ruled(name) or name == SCORE or self._options.watches(name)
            self._wanted[name] = known
        return known

    def _put(self, found: Sequence[Piece | Event]) -> None:
        with self._lock:
            for one in found:
                points = _points(one)
                if self._waiting_points + points > MOST_WAITING:
                    self.dropped += points
                    continue
                self._waiting.append(one)
                self._waiting_points += points
        with suppress(RuntimeError):  # the loop has ended, and so has the collector
            self._loop.call_soon_threadsafe(self._woken.set)

    @property
    def waiting(self) -> int:
        """Points and events that are still to be looked at."""
        return self._waiting_points

    async def run(self) -> None:
        """Look at what comes, until cancelled or closed."""
        while not self._ending:
            await self._woken.wait()
            self._woken.clear()
            await self.look()

    async def look(self) -> None:
        """Look at all that waits."""
        while batch := self._batch():
            began = time.perf_counter()
            try:
                self.error = await self._take(batch)
            except Exception as error:  # what cannot be looked at must not stop what can
                logger.warning("what was measured cannot be looked at: %s", error)
                self.error = str(error)
                await asyncio.sleep(PAUSE_AFTER_ERROR)
            spent = time.perf_counter() - began
            await asyncio.sleep(0 if self._ending else spent * (1 / MOST_SHARE - 1))

    def _batch(self) -> list[Piece | Event]:
        """The next that wait, up to `BATCH_POINTS`."""
        taken: list[Piece | Event] = []
        points = 0
        with self._lock:
            while self._waiting and points < BATCH_POINTS:
                one = self._waiting.popleft()
                taken.append(one)
                points += _points(one)
            self._waiting_points -= points
        return taken

    async def _take(self, batch: Sequence[Piece | Event]) -> str | None:
        """Look at a batch; why a series' past could not be read, which is then begun without."""
        problem = None
        for one in batch:
            if isinstance(one, Piece) and self._is_new(one):
                try:
                    past = await self._past(one)
                except (FedsightError, OSError, sqlite3.Error) as error:
                    past, problem = None, str(error)
                if past is not None:
                    await asyncio.to_thread(self._learn, past)
        self._findings.report(await asyncio.to_thread(self._looked, batch))
        return problem

    def _is_new(self, piece: Piece) -> bool:
        """Whether a series comes for the first time, of which the past matters."""
        if piece.series.name in NO_PAST or piece.key in self._learned:
            return False
        self._learned[piece.key] = None
        if len(self._learned) > MOST_NAMES:
            del self._learned[next(iter(self._learned))]
        return True

    async def _past(self, piece: Piece) -> Piece | None:
        """The points of a series before these; None where there are none."""
        series, until = piece.series, piece.time[0]
        matchers = [Matcher(label, "=", text) for label, text in series.labels.items()]
        start = max(0, until - int(self._options.history_hours * HOUR))
        asked = Selection((Matcher(NAME_LABEL, "=", series.name), *matchers), start, until)
        most = self._options.memory

        def question(samples: SampleSearch) -> Piece | None:
            for points in samples.points(asked, MOST_HISTORY):
                if points.series.labels == series.labels:
                    time, value = points.time[-most:].tolist(), points.value[-most:].tolist()
                    rounds = [-1] * len(time) if points.round is None else points.round.tolist()
                    return Piece(series, piece.key, time, value, rounds[-most:])
            return None

        found: Piece | None = await self._search(question)
        return found

    def _learn(self, past: Piece) -> None:
        """What the past says is past: nothing of it is reported."""
        if ruled(past.series.name):
            for _ in self._ruled.take(past):
                pass
        if self._options.watches(past.series.name):
            self.detecting.learn(past)

    def _looked(self, batch: Sequence[Piece | Event]) -> list[Finding]:
        found: list[Finding] = []
        for one in batch:
            found += self._of_event(one) if isinstance(one, Event) else self._of_piece(one)
        return found

    def _of_event(self, event: Event) -> list[Finding]:
        if event.kind == ENDED and event.run is not None:
            for key in self.detecting.forget_run(event.run):
                self._learned.pop(key, None)
        return self._suspects.told(event)

    def _of_piece(self, piece: Piece) -> list[Finding]:
        name, labels = piece.series.name, piece.series.labels
        if name == SCORE:
            found: list[Finding] = []
            for time_, value, round_ in zip(piece.time, piece.value, piece.round, strict=True):
                node = labels.get("run", ""), labels.get("node", "")
                found += self._suspects.scored(*node, value, time_, None if round_ < 0 else round_)
            return found
        found = list(self._ruled.take(piece)) if ruled(name) else []
        if self._options.watches(name):
            found += self.detecting.take(piece)
        return found


def _points(one: Piece | Event) -> int:
    return len(one) if isinstance(one, Piece) else 1
