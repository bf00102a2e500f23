"""One target, scraped again and again; what it tells is on disk before the next look."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Callable
from contextlib import suppress

import httpx

from fedsight.errors import UsageError, told
from fedsight.telemetry.agent.backoff import pause
from fedsight.telemetry.agent.exposition import (
    ACCEPT,
    OPEN_METRICS,
    Bounds,
    PageError,
    parsed,
)
from fedsight.telemetry.agent.figures import Figures
from fedsight.telemetry.agent.options import AgentOptions, Target
from fedsight.telemetry.agent.otlp import Origin, request
from fedsight.telemetry.agent.queue import Queue, QueueError, Size
from fedsight.telemetry.agent.starts import Starts
from fedsight.telemetry.agent.trusting import token_in

logger = logging.getLogger(__name__)

#: Counters are kept on disk at least so often, and whenever one began anew.
KEEP_SECONDS = 60.0
#: A sleep may end a little early: that share of an interval is no interval to wait again.
GRAIN = 0.01
#: Up to this interval, looks begin on its whole multiples of Unix time.
ALIGNED_SECONDS = 10.0
#: Of the same trouble, one line of log in so many seconds.
TELL_SECONDS = 60.0

TOKEN_WANTED = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)

WallClock = Callable[[], int]


class AwayError(Exception):
    """The target did not answer with a page."""


class Scraper:
    """Scrapes one target into a queue; `now` is the wall clock in Unix ns."""

    def __init__(
        self,
        target: Target,
        options: AgentOptions,
        version: str,
        queue: Queue,
        figures: Figures,
        now: WallClock = time.time_ns,
    ) -> None:
        self.target = target
        self._options = options
        self._origin = Origin(options.node, options.host_name, target.name, version, queue.identity)
        self._queue = queue
        self._figures = figures
        figures.expect(target.name)
        self._now = now
        self._starts = Starts(queue.state(target.name))
        self._kept = time.monotonic()
        self._last = 0
        self._failures = 0
        self._stopping = asyncio.Event()
        self._told_full = -TELL_SECONDS

    async def run(self, client: httpx.AsyncClient) -> None:
        """Until `stop`. The times of looks keep to a grid, whatever one of them takes; after
        failures fewer of them are used.

        Short intervals begin on their whole multiples of Unix time: an agent that starts anew then
        goes on in the slots that its node's window has."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        if self.target.interval <= ALIGNED_SECONDS:
            began += -self._now() / 1e9 % self.target.interval
            await self._sleep_until(began)
        while not self._stopping.is_set():
            await self.look(client)
            wait = self.target.interval
            if self._failures > 1:
                most = self._options.target_pause
                wait = max(wait, pause(wait, most, self._failures, random.random()))
            looks = math.floor((loop.time() + wait - began) / self.target.interval + GRAIN)
            await self._sleep_until(began + looks * self.target.interval)

    async def _sleep_until(self, when: float) -> None:
        """Until the event loop's time is `when`, or until `stop`."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(when):
                await self._stopping.wait()

    def stop(self) -> None:
        """End `run` after the look that is under way."""
        self._stopping.set()

    async def look(self, client: httpx.AsyncClient) -> None:
        """One scrape. A target that is away is counted, and nothing takes the place of its page; a
        disk that takes no more is counted and told, and the scrape is lost."""
        name, now = self.target.name, self._now()
        self._note_clock(now)
        try:
            async with asyncio.timeout(self._options.scrape_timeout):
                body, open_metrics = await fetched(client, self.target, self._options.bounds)
            await asyncio.to_thread(self._take, body, open_metrics, now)
        except (AwayError, PageError, UsageError, TimeoutError) as error:
            self._figures.scrape_failures[name] += 1
            self._fail(str(error) or "no answer in time")
        except QueueError as error:
            self._figures.unwritten[name] += 1
            self._fail(str(error))
        except Exception as error:  # a fault of ours ends one look, not all of them
            self._figures.scrape_failures[name] += 1
            self._fail(f"a fault of the agent's own: {told(error)}")
        else:
            self._succeed()

    def _take(self, body: bytes, open_metrics: bool, now: int) -> None:
        scraped = parsed(body, open_metrics=open_metrics, bounds=self._options.bounds)
        name, resets = self.target.name, self._starts.resets
        encoded = request(scraped, self._origin, self._starts, now)
        due = self._starts.news or time.monotonic() - self._kept >= KEEP_SECONDS
        kept = self._starts.kept(now) if due else None
        dropped = self._queue.put(name, now, scraped.points, encoded, kept)
        if due:
            self._kept = time.monotonic()
        self._figures.scrapes[name] += 1
        self._figures.points[name] += scraped.points
        self._figures.left_out[name] += scraped.left_out
        self._figures.resets[name] += self._starts.resets - resets
        self._note_dropped(dropped)

    def keep(self) -> None:
        """Leave the counters to the next process. Raises QueueError."""
        self._queue.keep(self.target.name, self._starts.kept(self._now()))

    def _note_clock(self, now: int) -> None:
        if now < self._last:
            self._figures.clock_steps += 1
            back = (self._last - now) / 1e9
            logger.warning("the clock went back by %.3f s; times are told as it says them", back)
        self._last = now

    def _note_dropped(self, dropped: Size) -> None:
        if not dropped.scrapes:
            return
        self._figures.dropped = self._figures.dropped.plus(dropped)
        if time.monotonic() - self._told_full >= TELL_SECONDS:
            self._told_full = time.monotonic()
            logger.warning(
                "the queue is full (%d bytes): the oldest scrapes are dropped, %d up to now;"
                " is the bridge away? agent.queue_bytes gives more room",
                self._options.queue_bytes,
                self._figures.dropped.scrapes,
            )

    def _fail(self, why: str) -> None:
        self._figures.up[self.target.name] = False
        self._failures += 1
        if self._failures == 1:
            logger.warning("target %s (%s): %s", self.target.name, _shown(self.target.url), why)

    def _succeed(self) -> None:
        self._figures.up[self.target.name] = True
        if self._failures:
            looks = self._failures
            logger.info("target %s answers again after %d looks", self.target.name, looks)
        self._failures = 0


async def fetched(client: httpx.AsyncClient, target: Target, bounds: Bounds) -> tuple[bytes, bool]:
    """A target's page, and whether it is OpenMetrics. Its token is read anew each time, and sent to
    its own address alone: redirects are not followed. Raises AwayError, PageError for a page that
    is too long, or UsageError for a file without a token."""
    headers = {"Accept": ACCEPT, "Accept-Encoding": "identity"}
    if target.token_file is not None:
        token = await asyncio.to_thread(token_in, target.token_file)
        headers["Authorization"] = f"Bearer {token}"
    try:
        async with client.stream(
            "GET", target.url, headers=headers, follow_redirects=False
        ) as answer:
            if answer.status_code in TOKEN_WANTED:
                which = "a" if target.token_file is None else "another"
                raise AwayError(
                    f"it answers with status {answer.status_code}: it wants {which} token"
                    " (token_file of the target)"
                )
            if answer.status_code != httpx.codes.OK:
                raise AwayError(f"it answers with status {answer.status_code}")
            if answer.headers.get("content-encoding", "identity") != "identity":
                raise AwayError("its page is packed, and was not asked to be")
            body = bytearray()
            async for piece in answer.aiter_raw():
                body += piece
                if len(body) > bounds.bytes:
                    raise PageError(f"the page has more than {bounds.bytes} bytes")
            kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        said = str(error) or type(error).__name__
        raise AwayError(f"it does not answer: {said}") from None
    return bytes(body), kind == OPEN_METRICS


def _shown(url: str) -> str:
    """Without its query, where a token may stand."""
    return url.partition("?")[0]
