"""A bridge: takes requests, has what they bring on disk, and answers them."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from fedsight.door.times import now_ns
from fedsight.signals import Batch, Event
from fedsight.telemetry.bridge import wire
from fedsight.telemetry.bridge.committing import Committer
from fedsight.telemetry.bridge.counts import Counts
from fedsight.telemetry.bridge.metrics import MalformedError, MetricsReader, Reading
from fedsight.telemetry.bridge.notices import Clocks, Notices, skew_of
from fedsight.telemetry.bridge.refusing import (
    INTERNAL,
    INVALID_ARGUMENT,
    CallRefusedError,
    busy,
)
from fedsight.telemetry.bridge.senders import Senders
from fedsight.telemetry.bridge.series import LONGEST_NAME, Interned, Origin
from fedsight.telemetry.bridge.verdict import Verdict
from fedsight.telemetry.bridge.work import Forward, Work
from fedsight.telemetry.windows.sorting import Sorter

#: Requests above this are read in a thread: they take some milliseconds.
SMALL_BODY = 256 * 1024
#: What a request's parts are called in an answer.
PARTS = {"metrics": "data points", "logs": "log records", "traces": "spans"}
NOT_KEPT = "nothing leaves this node (bridge.forward): logs and spans are left out"
#: Metrics whose unit changed that are told of one request.
MOST_UNITS = 64
WAIT_SECONDS = 1.0
FULL_SECONDS = 10.0


@dataclass(frozen=True)
class Bounds:
    """`waiting_bytes`: of requests that are not on disk yet, or of what they come to where that is
    more; `labels`: resource attributes that
    become labels too."""

    waiting_bytes: int = 64 * 2**20
    labels: tuple[str, ...] = ()
    longest_name: int = LONGEST_NAME
    clocks: Clocks = field(default_factory=Clocks)


class SignalReader(Protocol):
    """Reads logs or traces."""

    def read(self, body: bytes) -> tuple[Batch, Verdict]:
        """What a request comes to; raises MalformedError."""
        ...


class Bridge:
    """Takes the bytes of requests; for the event loop's thread.

    `sorters` makes what knows which metrics windows want, one for each thread that reads.
    """

    def __init__(
        self,
        forward: Forward,
        committer: Committer,
        sorters: list[Sorter],
        readers: dict[str, SignalReader],
        bounds: Bounds | None = None,
    ) -> None:
        self.bounds = bounds or Bounds()
        self.counts = Counts()
        self.committer = committer
        self.waiting = 0
        self._under_way: set[asyncio.Future[Verdict]] = set()
        self._forward = forward
        self._readers = readers
        self._notices = Notices()
        self.senders = Senders()
        self._small, self._large = (self._reader(sorter) for sorter in sorters)
        self._thread = ThreadPoolExecutor(1, "large-requests")

    def _reader(self, sorter: Sorter) -> MetricsReader:
        def wants(origin: Origin) -> frozenset[str]:
            return sorter.wanted(origin.resource, origin.scope)

        return MetricsReader(Interned(self.bounds.labels, self.bounds.longest_name), wants)

    async def take(self, signal: str, body: bytes, protocol: str) -> Verdict:
        """Have a request on disk and say what became of it; raises CallRefusedError.

        A caller that gives up ends nothing: the request is written, and its bytes wait until it is.
        """
        try:
            self._check_room(len(body))
        except CallRefusedError as refused:
            self.counts.request(signal, protocol, str(refused.code), len(body))
            raise
        taking = asyncio.ensure_future(self._counted(signal, body, protocol))
        self._under_way.add(taking)
        taking.add_done_callback(self._under_way.discard)
        return await asyncio.shield(taking)

    def _check_room(self, size: int) -> None:
        if self.waiting and self.waiting + size > self.bounds.waiting_bytes:
            raise busy("too much waits to be written", WAIT_SECONDS)
        if self._forward.full():
            raise busy("too much waits to be sent to the collector", FULL_SECONDS)
        self.waiting += size

    async def _counted(self, signal: str, body: bytes, protocol: str) -> Verdict:
        """For what `_check_room` let in; counts what came of it."""
        outcome = str(INTERNAL)
        try:
            verdict = await self._take(signal, body)
            outcome = "partial" if verdict.refused else "ok"
            return verdict
        except CallRefusedError as refused:
            outcome = str(refused.code)
            raise
        finally:
            self.waiting -= len(body)
            self.counts.request(signal, protocol, outcome, len(body))

    async def _take(self, signal: str, body: bytes) -> Verdict:
        work, verdict = await self._work(signal, body)
        more = max(0, verdict.size - len(body)) if self._forward.keeps else 0
        if self.waiting > len(body) and self.waiting + more > self.bounds.waiting_bytes:
            raise busy("too much waits to be written", WAIT_SECONDS)
        self.waiting += more
        try:
            if self._forward.keeps or work.windows:
                await self.committer.commit(work)
        finally:
            self.waiting -= more
        for points, why in work.refused:
            self._note_refused(verdict, points, why)
        for why, count in work.rejected.items():
            verdict.reject(why, count)
            verdict.taken = max(0, verdict.taken - count)
        self.counts.verdict(signal, verdict)
        return verdict

    def _note_refused(self, verdict: Verdict, points: int, why: str) -> None:
        """What windows will not take is rejected, unless it is kept all the same."""
        if self._forward.keeps:
            verdict.warnings.append(f"not in a window: {why}")
        else:
            verdict.taken -= points
            verdict.reject(why, points)

    async def _work(self, signal: str, body: bytes) -> tuple[Work, Verdict]:
        try:
            if signal == "metrics":
                reading = await self._read(body)
                return self._of_metrics(reading, body), reading.verdict
            reader = self._readers[signal]
            if len(body) <= SMALL_BODY:
                signals, verdict = reader.read(body)
            else:
                loop = asyncio.get_running_loop()
                signals, verdict = await loop.run_in_executor(self._thread, reader.read, body)
        except MalformedError as error:
            raise CallRefusedError(INVALID_ARGUMENT, str(error)) from None
        if not self._forward.keeps:
            verdict.left_out, verdict.taken = verdict.left_out + verdict.taken, 0
            verdict.warnings.append(NOT_KEPT)
        held = signals if signals.events or signals.spans else None
        return Work(body, now_ns(), signals=held), verdict

    async def _read(self, body: bytes) -> Reading:
        if len(body) <= SMALL_BODY:
            return self._small.read(body)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._large.read, body)

    def _of_metrics(self, reading: Reading, body: bytes) -> Work:
        now = now_ns()
        self.counts.unmatched += sum(reading.unmatched.values())
        self._notices.unmatched(reading.unmatched, now)
        events = self._events(reading, now)
        notices = Batch(events=events) if events else None
        return Work(body, now, reading.samples, None, reading.windows, notices)

    def _events(self, reading: Reading, now: int) -> list[Event]:
        found: list[Event | None] = []
        self.counts.unit_changes += len(reading.units)
        for change in reading.units[:MOST_UNITS]:
            found.append(self._notices.unit(change, now))
        for origin, _ in reading.windows:
            pair = self.senders.note(origin.resource, now)
            found.append(None if pair is None else self._notices.two_agents(pair, now))
        skew = skew_of(reading, now, self.bounds.clocks)
        if skew is not None:
            self.counts.ahead += skew.ahead
            self.counts.behind += skew.behind
            found.append(self._notices.skew(skew, now))
        return [event for event in found if event is not None]

    def close(self) -> None:
        """Put what waits on disk, and end."""
        self.committer.close()
        self._thread.shutdown()


def answer(verdict: Verdict, signal: str) -> bytes:
    """The serialized answer of the signal's service: partial success where there is something to
    say, else nothing at all."""
    message = verdict.message(PARTS[signal])
    if not message:
        return b""
    said = wire.Answer()
    said.partial_success.rejected = verdict.refused
    said.partial_success.error_message = message
    found: bytes = said.SerializeToString()
    return found
