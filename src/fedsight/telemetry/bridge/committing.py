"""The thread that puts requests on disk: all that wait at a time share a commit."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue

from fedsight.errors import JournalError, StoreError, UsageError, told
from fedsight.telemetry.bridge.refusing import INTERNAL, UNAVAILABLE, CallRefusedError
from fedsight.telemetry.bridge.work import Forward, Work

logger = logging.getLogger(__name__)

#: Seconds between looks at what is due, and until a sender tries again that met a full disk.
TEND_SECONDS = 1.0
RETRY_SECONDS = 5.0
#: Requests that share a commit.
MOST_TOGETHER = 256

#: Puts what windows want into them; returns the requests for which that failed, and why.
IntoWindows = Callable[[Sequence[Work]], dict[int, Exception]]


class Committer:
    """Takes work from the event loop and answers it there, from `start` until `close`."""

    def __init__(self, forward: Forward, windows: IntoWindows) -> None:
        self._forward = forward
        self._windows = windows
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self._tended = 0.0
        #: So many of what waits is put on disk one by one.
        self._alone = 0
        self.repeated = 0
        self.commits = 0
        self.last_error: str | None = None

    def start(self) -> Committer:
        """Begin."""
        self._thread.start()
        return self

    def close(self, timeout: float = 10.0) -> None:
        """Put what waits on disk, then end."""
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout)

    async def commit(self, work: Work) -> None:
        """Wait until it is on disk; raises CallRefusedError where it cannot be."""
        work.done = asyncio.get_running_loop().create_future()
        self._queue.put(work)
        await work.done

    def _run(self) -> None:
        going = True
        while going:
            works, going = self._next()
            try:
                if works:
                    self._commit(works)
                self._tend()
            except Exception as error:  # the loop must outlive a bug: senders wait for answers
                logger.exception("putting %d requests on disk failed", len(works))
                self.last_error = told(error)
                self._part(works)

    def _part(self, works: list[Work]) -> None:
        """One of them met a fault: the others are kept, each by itself."""
        if len(works) > 1:
            for work in works:
                self._queue.put(work)
                self._alone += 1
            return
        fault = CallRefusedError(INTERNAL, "the bridge met a fault; its log says which")
        _tell(works, dict.fromkeys(map(id, works), fault))

    def _next(self) -> tuple[list[Work], bool]:
        """All that waits, and whether to go on."""
        works: list[Work] = []
        try:
            one = self._queue.get(timeout=TEND_SECONDS)
            while one is not None:
                works.append(one)
                if self._alone:
                    self._alone -= 1
                    return works, True
                if len(works) >= MOST_TOGETHER:
                    return works, True
                one = self._queue.get_nowait()
        except Empty:
            return works, True
        return works, False

    def _commit(self, works: list[Work]) -> None:
        try:
            self.repeated += self._forward.keep(works)
        except (JournalError, StoreError) as error:
            self.last_error = str(error)
            logger.error("%s", error)
            refused = CallRefusedError(UNAVAILABLE, str(error), RETRY_SECONDS)
            _tell(works, dict.fromkeys(map(id, works), refused))
            return
        wrong = self._windows([work for work in works if work.windows])
        refused_by = {
            key: CallRefusedError(UNAVAILABLE, str(error), RETRY_SECONDS)
            for key, error in wrong.items()
        }
        self.commits += 1
        self.last_error = str(next(iter(wrong.values()))) if wrong else None
        _tell(works, refused_by)

    def _tend(self) -> None:
        now = time.monotonic()
        if now - self._tended < TEND_SECONDS:
            return
        self._tended = now
        try:
            self._forward.tend(time.time_ns())
        except (JournalError, StoreError, UsageError) as error:
            self.last_error = str(error)
            logger.error("%s", error)


def _tell(works: Sequence[Work], refused: dict[int, CallRefusedError]) -> None:
    """Answer all of them; each event loop is woken once."""
    loops: dict[asyncio.AbstractEventLoop, list[Work]] = {}
    for work in works:
        if work.done is not None:
            loops.setdefault(work.done.get_loop(), []).append(work)
    for loop, of_loop in loops.items():
        try:
            loop.call_soon_threadsafe(_tell_in_loop, of_loop, refused)
        except RuntimeError:  # it was closed: nobody waits there any more
            continue


def _tell_in_loop(works: Sequence[Work], refused: dict[int, CallRefusedError]) -> None:
    for work in works:
        if work.done is None or work.done.done():
            continue
        why = refused.get(id(work))
        if why is None:
            work.done.set_result(None)
        else:
            work.done.set_exception(why)
