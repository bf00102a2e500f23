"""Where the service writes its trail: in the event loop as long as it is its turn, and else in one
thread, which waits for the turn while the loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from fedsight.policy.audit import AuditError, Trail, TurnError

T = TypeVar("T")


class Desk:
    """The one thread. Use it from the event loop. Where the trail is `stuck` the thread may never
    come to what waits for it: nothing more is left to it then."""

    def __init__(self, stuck: Callable[[], bool] = lambda: False) -> None:
        self._stuck = stuck
        self._thread = ThreadPoolExecutor(1, "trail")
        self._waiting = 0
        self._beside: Future[None] | None = None

    async def done(self, write: Callable[[bool], T]) -> T:
        """What `write` gives, which is asked to do it at once, or raise TurnError; then it is asked
        again in the thread, in order with whatever else waits there."""
        if self._waiting == 0 or self._stuck():
            try:
                return write(True)
            except TurnError:
                pass
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, write, False)
        finally:
            self._waiting -= 1

    def later(self, what: Callable[[], None]) -> None:
        """Do something in the thread, which may take long; not where that is under way."""
        if self._beside is None or self._beside.done():
            self._beside = self._thread.submit(what)

    def close(self) -> None:
        """Do what waits, and end the thread."""
        self._thread.shutdown()


class HeadsAtDesk:
    """Heads that `sign` signs at the desk. `fault` is why the last one was not seen on disk: until
    one was, nothing is recorded that a loss of power would take away."""

    def __init__(self, trail: Trail, desk: Desk, sign: Callable[[], None]) -> None:
        self._trail, self._desk, self._sign = trail, desk, sign
        self.fault: AuditError | None = None

    def check(self) -> None:
        """Raise AuditError where that is so; it is tried again then."""
        fault = self.fault or self._trail.fault
        if fault is not None:
            self._desk.later(self._sign)
            raise fault

    def look(self) -> None:
        """Something was recorded: sign the head where it is time."""
        if self._trail.due:
            self._desk.later(self._sign)
