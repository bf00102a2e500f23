"""Replays in the background: one at a time, with how far each is, within a deadline."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import OrderedDict
from typing import Literal

from msgspec import Struct

from fedsight.door.refusal import RefusedError, too_many
from fedsight.policy.replay import Replayed
from fedsight.policy.service.beside import heard_all
from fedsight.policy.trying import Order

MOST_SECONDS = 600.0
#: So many can still be asked for.
_KEPT = 20

State = Literal["running", "done", "failed", "stopped"]


class ReplayState(Struct, frozen=True):
    """A replay: `share` of the trail is done; `found` once all is, `error` where nothing came."""

    id: int
    version: str
    state: State
    share: float
    seconds: float
    found: Replayed | None = None
    error: str | None = None


class _Job:
    """A replay that was begun."""

    def __init__(self, number: int, version: str) -> None:
        self.number, self.version = number, version
        self.state: State = "running"
        self.share = 0.0
        self.found: Replayed | None = None
        self.error: str | None = None
        self.task: asyncio.Task[None] | None = None
        self._begun = time.monotonic()
        self._ended: float | None = None

    def end(self, state: State, found: Replayed | None = None, error: str | None = None) -> None:
        """Keep what came of it."""
        self.state, self.found, self.error = state, found, error
        self._ended = time.monotonic()

    @property
    def told(self) -> ReplayState:
        """How it stands."""
        seconds = (self._ended or time.monotonic()) - self._begun
        return ReplayState(
            self.number, self.version, self.state, self.share, seconds, self.found, self.error
        )


class Replays:
    """The replays of this process, by number."""

    def __init__(self, most_seconds: float = MOST_SECONDS) -> None:
        self._most_seconds = most_seconds
        self._numbers = itertools.count(1)
        self._jobs: OrderedDict[int, _Job] = OrderedDict()

    def begin(self, order: Order, version: str) -> ReplayState:
        """Begin one. Raises RefusedError 429 while another runs."""
        if any(one.state == "running" for one in self._jobs.values()):
            raise too_many("another replay is under way; stop it, or wait for its end", 1.0)
        job = _Job(next(self._numbers), version)
        self._jobs[job.number] = job
        while len(self._jobs) > _KEPT:
            self._jobs.popitem(last=False)
        job.task = asyncio.create_task(self._run(job, order))
        return job.told

    def get(self, number: int) -> ReplayState:
        """How one stands. Raises RefusedError 404."""
        return self._job(number).told

    async def ended(self, number: int) -> ReplayState:
        """How one stands once it has ended."""
        job = self._job(number)
        if job.task is not None:
            await asyncio.wait([job.task])
        return job.told

    async def stop(self, number: int) -> ReplayState:
        """End one that runs."""
        job = self._job(number)
        await _ended(job)
        return job.told

    async def close(self) -> None:
        """End what runs."""
        for job in self._jobs.values():
            await _ended(job)

    def _job(self, number: int) -> _Job:
        found = self._jobs.get(number)
        if found is None:
            raise RefusedError(404, "not_found", f"there is no replay {number}; begin another")
        return found

    async def _run(self, job: _Job, order: Order) -> None:
        def tell(share: float) -> None:
            job.share = share

        try:
            async with asyncio.timeout(self._most_seconds):
                heard = await heard_all(order, tell)
        except TimeoutError:
            message = f"it took longer than {self._most_seconds:g} s; choose a shorter range"
            job.end("failed", error=message)
        except RefusedError as error:
            job.end("failed", error=error.message)
        except asyncio.CancelledError:
            job.end("stopped", error="it was stopped")
            raise
        else:
            if heard.replayed is None:
                job.end("failed", error=heard.error)
            else:
                job.share = 1.0
                job.end("done", heard.replayed)


async def _ended(job: _Job) -> None:
    if job.task is not None and not job.task.done():
        job.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await job.task
