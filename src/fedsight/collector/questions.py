"""How many questions about samples are answered at one time, and how many wait."""

from __future__ import annotations

import asyncio
from typing import Self

from fedsight.door.refusal import too_many

#: Answered at one time: they may take seconds, and some reading threads are left to other routes.
AT_ONCE = 2
#: Those that wait at most; a dashboard asks some dozens of them at one time.
MOST_WAITING = 256
RETRY_SECONDS = 2.0


class Questions:
    """A context in which a question is asked. Answers 429 where too many wait already."""

    def __init__(self, at_once: int = AT_ONCE, most_waiting: int = MOST_WAITING) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self._most = most_waiting
        self.waiting = 0
        #: Those that are being answered.
        self.asking = 0

    async def __aenter__(self) -> Self:
        if self.waiting >= self._most:
            raise too_many(f"{self._most} questions about samples wait already", RETRY_SECONDS)
        self.waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self.waiting -= 1
        self.asking += 1
        return self

    async def __aexit__(self, *_: object) -> None:
        self.asking -= 1
        self._turns.release()
