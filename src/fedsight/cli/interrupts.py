"""Ctrl-C and SIGTERM at a command that has processes of its own: heard once, then all is closed.

An interruption may come between any two steps of Python: also between the start of a child and its
being known, or while children are ended. So children are started with interruptions `held`; once
one was heard, the impatient second does nothing for a while; and whoever begins to close asks to
`leave` in peace.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

NUMBERS = (signal.SIGINT, signal.SIGTERM)
#: A second Ctrl-C counts after so long: the first may have been lost where nobody can raise.
AGAIN_SECONDS = 10.0


class Interrupts:
    """What this process hears of SIGINT and SIGTERM."""

    def __init__(self) -> None:
        self._heard_at: float | None = None
        self._holding = 0
        self._owed = False

    def listen(self) -> None:
        """From now on the first of them raises KeyboardInterrupt in the main thread."""
        self._heard_at = None
        for number in NUMBERS:
            signal.signal(number, self._hear)

    def leave(self) -> None:
        """Hear no more of them: what is open is closed, each child within seconds."""
        for number in NUMBERS:
            signal.signal(number, signal.SIG_IGN)

    @contextmanager
    def held(self) -> Iterator[None]:
        """What is heard within is raised at its end. Other threads hear nothing anyway."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._holding += 1
        try:
            yield
        finally:
            self._holding -= 1
            if self._owed and not self._holding:
                self._owed = False
                raise KeyboardInterrupt

    def _hear(self, *_: object) -> None:
        now = time.monotonic()
        if self._heard_at is not None and now - self._heard_at < AGAIN_SECONDS:
            return
        self._heard_at = now
        if self._holding:
            self._owed = True
            return
        raise KeyboardInterrupt


#: Signals are one for the whole process.
INTERRUPTS = Interrupts()
