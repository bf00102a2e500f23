"""Small bodies of columns that came at one time, read together.

For a hundred samples numpy and simdjson take longer to be called than to do their work. Producers
that wait for the same commit send their next bodies at the same time: so these are read by one call
for each column, and handed to the writing thread at once. See docs/decisions/0151-together.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from fedsight.collector.store.prepare import Record, plain_record
from fedsight.collector.taking.arrivals import Taken, beyond, too_far
from fedsight.collector.taking.bodies import Pool, undecodable
from fedsight.collector.taking.columns import ColumnReader, Columns
from fedsight.door.refusal import BadFieldError
from fedsight.door.times import now_ns

#: Bodies that are read together at most.
MOST = 64


class Taking(Protocol):
    """The writing thread, as `ingest.Ingest`."""

    def take_all(self, records: Sequence[Record], answers: Sequence[asyncio.Future[Taken]]) -> None:
        """Keep each record, and tell its future, of the running loop, how it came out."""
        ...


class Together:
    """For one event loop. `ahead`: how far after the clock a time may be, ns."""

    def __init__(self, taking: Taking, readers: Pool[ColumnReader], ahead: int) -> None:
        self._taking = taking
        self._readers = readers
        self._ahead = ahead
        self._waiting: dict[int, list[tuple[bytes, asyncio.Future[Taken]]]] = {}

    async def taken(self, body: bytes, unit: int) -> Taken:
        """Store a body whose times count `unit` ns; returns after the commit.

        Raises what reading it alone and `Ingest.taken` raise.
        """
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._read)
        answer: asyncio.Future[Taken] = loop.create_future()
        self._waiting.setdefault(unit, []).append((body, answer))
        return await answer

    def _read(self) -> None:
        """Read what came in this turn of the loop."""
        waiting, self._waiting = self._waiting, {}
        for unit, came in waiting.items():
            for at in range(0, len(came), MOST):
                self._some(came[at : at + MOST], unit)

    def _some(self, came: Sequence[tuple[bytes, asyncio.Future[Taken]]], unit: int) -> None:
        """Whatever goes wrong is told to whoever waits: nobody else would hear of it."""
        try:
            with self._readers.lent() as reader:
                found = reader.read_all([body for body, _ in came], unit)
            records, answers = [], []
            now = now_ns()
            for columns, (_, answer) in zip(found, came, strict=True):
                outcome = self._record(columns, now)
                if isinstance(outcome, Record):
                    records.append(outcome)
                    answers.append(answer)
                elif not answer.done():
                    answer.set_exception(outcome)
            self._taking.take_all(records, answers)
        except Exception as error:  # the fault's own request answers 500, as any other's does
            for _, answer in came:
                if not answer.done():
                    answer.set_exception(error)

    def _record(self, columns: Columns | Exception, now: int) -> Record | Exception:
        if isinstance(columns, Exception):
            return undecodable(columns)
        block = columns.block
        if columns.last > now + self._ahead:
            at = beyond(block.time, now, self._ahead) or 0
            return BadFieldError(f"time[{at}]", too_far(int(block.time[at]), now, self._ahead))
        try:
            return plain_record(block, (columns.first, columns.last))
        except BadFieldError as error:
            return error
