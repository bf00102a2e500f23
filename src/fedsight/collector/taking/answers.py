"""Answers to what waits for a commit: each waits in a thread of its own, or in a coroutine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one piece of work left no trace."""

    error: Exception


class Answer(Protocol):
    """What is told how one piece of work came out: its result, or a `Refusal`."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop in which it must be told; None where any thread may."""

    def tell(self, outcome: Any) -> None:
        """Answer; harmless where whoever asked has gone, as at a shutdown."""


@dataclass(frozen=True, slots=True)
class Threaded:
    """An answer that a thread waits for."""

    future: Future[Any]
    loop: None = None

    def tell(self, outcome: Any) -> None:
        """As `Answer.tell`."""
        if not self.future.set_running_or_notify_cancel():
            return
        if isinstance(outcome, Refusal):
            self.future.set_exception(outcome.error)
        else:
            self.future.set_result(outcome)


@dataclass(frozen=True, slots=True)
class Awaited:
    """An answer that a coroutine waits for."""

    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]

    def tell(self, outcome: Any) -> None:
        """As `Answer.tell`."""
        if self.future.done():
            return
        if isinstance(outcome, Refusal):
            self.future.set_exception(outcome.error)
        else:
            self.future.set_result(outcome)


Told = tuple[Answer, Any]


def tell_all(told: Iterable[Told]) -> None:
    """Tell each its outcome; an event loop is woken once for all that wait in it."""
    waiting: dict[asyncio.AbstractEventLoop, list[Told]] = {}
    for answer, outcome in told:
        if answer.loop is None:
            answer.tell(outcome)
        else:
            waiting.setdefault(answer.loop, []).append((answer, outcome))
    for loop, of_loop in waiting.items():
        with suppress(RuntimeError):  # it was closed: nobody waits there any more
            loop.call_soon_threadsafe(_tell_in_loop, of_loop)


def _tell_in_loop(told: list[Told]) -> None:
    for answer, outcome in told:
        answer.tell(outcome)
