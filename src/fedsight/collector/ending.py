"""How tasks end: cancelled until they are done, for a bounded time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

logger = logging.getLogger(__name__)

#: Seconds that tasks have to end in all, and between two cancellations.
END_SECONDS, AGAIN_SECONDS = 6.0, 1.5


async def end(
    tasks: Sequence[asyncio.Task[Any]],
    seconds: float = END_SECONDS,
    again_seconds: float = AGAIN_SECONDS,
) -> list[BaseException]:
    """Cancel tasks until all are done, for `seconds` at most; what they raised.

    One cancellation is not enough: a task may swallow it, as `asyncio.wait_for` does before Python
    3.12 (docs/decisions/0146-ending-tasks.md). A task that outlives its time is logged and left.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    pending = {task for task in tasks if not task.done()}
    while pending and (left := until - loop.time()) > 0:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=min(again_seconds, left))
    for task in pending:
        logger.error("a task does not end and is left: %s", task.get_coro())
    ended = [task for task in tasks if task.done() and not task.cancelled()]
    return [error for task in ended if (error := task.exception()) is not None]


async def end_loops(*tasks: asyncio.Task[Any] | None) -> None:
    """`end` for tasks that run until they are cancelled; one that failed before is logged."""
    for error in await end([task for task in tasks if task is not None]):
        logger.error("a task that runs in the background had failed", exc_info=error)
