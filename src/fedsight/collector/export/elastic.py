"""Sends every event to a server of Elasticsearch's API, in order, from where it was left.

An event has the same id whenever it is sent, so one that arrives twice is kept once; how far events
went is on disk, so nothing is left out when the collector or the server goes away.
"""

from __future__ import annotations

import asyncio
import logging
import random
import sqlite3
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedsight.collector.ending import end_loops
from fedsight.collector.export.bulk import (
    Line,
    SearchServer,
    Verdict,
    fitting,
    line,
    verdict,
    whole_error,
)
from fedsight.collector.ingest import Ingest
from fedsight.collector.reading import queries
from fedsight.collector.store.readers import Readers
from fedsight.errors import FedsightError, SettingsError

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
#: An event at which the server failed so often, when it took others, is given up.
MOST_TRIES = 6
ANSWER_SECONDS = 30.0
ANSWER_BYTES = 16 * 2**20
TOO_LARGE, NOT_NOW = 413, frozenset({429, 503})


class _AwayError(FedsightError):
    """The server takes nothing now; `wait` is the seconds that it asks for, if it does."""

    def __init__(self, why: str, wait: float = 0.0) -> None:
        super().__init__(why)
        self.wait = wait


@dataclass(frozen=True, slots=True)
class _Settled:
    """A batch of which every event was taken or refused for good."""

    taken: int
    refused: tuple[tuple[Line, str], ...]


class Elasticsearch:
    """The way of events to one server. `error` says why they do not go on; `refused` counts those
    that the server will never take."""

    def __init__(
        self,
        server: SearchServer,
        store_id: str,
        ingest: Ingest,
        readers: Readers,
        first_pause: float = FIRST_PAUSE,
    ) -> None:
        self._server = server
        self._store_id = store_id
        self._ingest = ingest
        self._readers = readers
        self._first_pause = first_pause
        self._pause = 0.0
        self._task: asyncio.Task[None] | None = None
        self.error: str | None = None
        self.sent = 0
        self.refused = 0

    def start(self) -> None:
        """Begin to send."""
        self._task = asyncio.create_task(self.run())

    async def close(self) -> None:
        """Send no more; what was under way is sent again by the next collector."""
        await end_loops(self._task)

    async def run(self) -> None:
        """Send, and wait for more, until cancelled."""
        async with _client(self._server) as client:
            while True:
                try:
                    moved = await self._send_next(client)
                    self.error, self._pause = None, 0.0
                    if not moved:
                        await asyncio.sleep(LOOK_SECONDS)
                except Exception as error:  # whatever the server does, the next attempt must come
                    await self._failed(error)

    async def _failed(self, error: Exception) -> None:
        why = f"{self._server.url}: {error}"
        if why != self.error:
            logger.warning("events wait for Elasticsearch: %s", why)
        self.error = why
        self._pause = min(LONGEST_PAUSE, max(self._first_pause, self._pause * 2))
        asked = error.wait if isinstance(error, _AwayError) else 0.0
        jitter = random.uniform(0.8, 1.2)
        await asyncio.sleep(max(self._pause * jitter, min(asked, LONGEST_PAUSE)))

    async def _send_next(self, client: httpx.AsyncClient) -> bool:
        """Send the next batch and remember it; False where there is nothing to send."""
        after = await self._readers.ask(lambda db: cursor(db, self._server.name))
        which = queries.EventFilter(after, limit=self._server.batch_events)
        page = await self._readers.ask(lambda db: queries.events(db, None, which))
        if not page.events:
            return False
        lines = [line(event, self._store_id, self._server) for event in page.events]
        lines = lines[: fitting(lines)]
        settled = await self._settled(client, lines)
        for each, why in settled.refused[:3]:
            logger.warning("event %d is not taken by Elasticsearch: %s", each.event, why)
        last = lines[-1].event
        counts = (settled.taken, len(settled.refused))
        await asyncio.wrap_future(
            self._ingest.change(lambda db: advance(db, self._server.name, last, *counts))
        )
        self.sent += settled.taken
        self.refused += len(settled.refused)
        return True

    async def _settled(self, client: httpx.AsyncClient, lines: Sequence[Line]) -> _Settled:
        """Send until each event was taken or refused for good; only those that wait, again.

        An event at which the server fails time and again, while it takes others, is given up:
        all that happened later would wait behind it.
        """
        taken, refused, waiting = 0, list[tuple[Line, str]](), list(lines)
        pause, tries = self._first_pause, 0
        while waiting:
            found = await self._bulk(client, waiting)
            taken += found.taken
            refused += found.refused
            moved, waiting = len(found.again) < len(waiting), list(found.again)
            tries = 0 if moved else tries + 1
            why = found.why or "it takes nothing"
            if taken and tries >= MOST_TRIES:
                refused += [(each, why) for each in waiting if each.event in found.failing]
                waiting = [each for each in waiting if each.event not in found.failing]
            if waiting and not moved and (not taken or not found.failing):
                raise _AwayError(why)
            if waiting:
                self.error = f"{self._server.url}: {why}"
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, 2 * pause)
        return _Settled(taken, tuple(refused))

    async def _bulk(self, client: httpx.AsyncClient, lines: Sequence[Line]) -> Verdict:
        status, answer, wait = await _posted(client, b"".join(each.text for each in lines))
        if status == TOO_LARGE:
            return await self._halved(client, lines, whole_error(status, answer))
        if status != 200:
            raise _AwayError(whole_error(status, answer), wait)
        return verdict(lines, answer)

    async def _halved(self, client: httpx.AsyncClient, lines: Sequence[Line], why: str) -> Verdict:
        """The server takes no body of this size: half of it, until that is one event."""
        if len(lines) == 1:
            return Verdict(0, refused=((lines[0], why),))
        middle = len(lines) // 2
        one = await self._bulk(client, lines[:middle])
        other = await self._bulk(client, lines[middle:])
        return Verdict(
            one.taken + other.taken,
            one.again + other.again,
            one.refused + other.refused,
            one.why or other.why,
            one.failing | other.failing,
        )


async def _posted(client: httpx.AsyncClient, body: bytes) -> tuple[int, bytes, float]:
    """Status, body and the pause asked for; raises _AwayError where no whole answer came."""
    import httpx

    try:
        async with client.stream("POST", "/_bulk", content=body) as response:
            held = b""
            async for chunk in response.aiter_bytes():
                held += chunk
                if len(held) > ANSWER_BYTES:
                    raise _AwayError(f"its answer has more than {ANSWER_BYTES} bytes")
    except httpx.HTTPError as error:
        raise _AwayError(str(error) or type(error).__name__) from error
    asked = response.headers.get("Retry-After", "")
    wait = float(asked) if response.status_code in NOT_NOW and asked.isdecimal() else 0.0
    return response.status_code, held, wait


def _client(server: SearchServer) -> httpx.AsyncClient:
    from fedsight.door.outbound import outbound_client

    client = outbound_client(verify=trusted(server), timeout=ANSWER_SECONDS)
    client.base_url = server.url.rstrip("/")
    client.headers["Content-Type"] = "application/x-ndjson"
    if server.authorization is not None:
        client.headers["Authorization"] = server.authorization
    return client


def trusted(server: SearchServer) -> ssl.SSLContext | bool:
    """Whom to believe; raises SettingsError where the file of the authority cannot be read."""
    if server.ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=server.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(
            f"cannot read elasticsearch.ca_file {server.ca_file}: {error}"
        ) from None


def cursor(db: sqlite3.Connection, target: str) -> int:
    """The last event that went to a target; 0 where none did."""
    found = db.execute("SELECT last_event FROM event_cursors WHERE target = ?", (target,))
    row = found.fetchone()
    return 0 if row is None else int(row[0])


def advance(db: sqlite3.Connection, target: str, last: int, sent: int, refused: int) -> None:
    """Remember that events up to `last` are settled."""
    db.execute(
        "INSERT INTO event_cursors (target, last_event, sent, refused) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (target) DO UPDATE SET last_event = excluded.last_event,"
        " sent = sent + excluded.sent, refused = refused + excluded.refused",
        (target, last, sent, refused),
    )
