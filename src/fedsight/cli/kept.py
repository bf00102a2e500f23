"""Keeps a collector up for as long as a run lasts, and its dashboard after it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from fedsight.cli.attached import (
    Collector,
    PortInUseError,
    answers,
    collector_url,
    started,
    stop,
    token,
)
from fedsight.config import Settings
from fedsight.errors import FedsightError

LOOK_SECONDS = 1.0
#: Whoever runs a collector of their own may be starting it again: leave them the time.
GRACE_SECONDS = 6.0
LONGEST_PAUSE = 30.0


@contextmanager
def collector(
    settings: Settings, port: int, attach: bool, tell: Callable[[str], None]
) -> Iterator[Collector]:
    """The collector that answers at `port`, or one that we start there and that ends with us.

    Where it goes away before we do, another is started at its port, and `tell` says so. Raises
    FedsightError saying why it did not start.
    """
    verify = settings.collector.trust.verify()
    reached = Collector(collector_url(settings, port), "", verify=verify)
    try:
        if not attach:
            _, reached.url = started(settings, port, reached.keep)
        reached.token = token(settings.data)
        watch = Watch(reached, settings, tell)
        try:
            watch.start()
            yield reached
        finally:
            watch.close()
    finally:
        if reached.child is not None:
            stop(reached.child)


class Watch:
    """A thread that starts a collector again at its port when it is gone, until `close`.

    Nothing is lost meanwhile: the journal holds what was not shipped.
    """

    def __init__(self, reached: Collector, settings: Settings, tell: Callable[[str], None]) -> None:
        self._reached = reached
        self._settings = settings
        self._tell = tell
        self._port = urlsplit(reached.url).port or 0
        self._pause = LOOK_SECONDS
        self._complaint = ""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="collector-watch", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Look no more; waits for a collector that is being started."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _loop(self) -> None:
        while not self._stop.wait(self._pause):
            try:
                if self._gone():
                    self._start_again()
                self._pause = LOOK_SECONDS
            except (FedsightError, OSError) as error:
                self._failed(str(error))

    def _gone(self) -> bool:
        child = self._reached.child
        return child.poll() is not None if child is not None else self._away()

    def _away(self) -> bool:
        """Whether somebody else's collector stays away for longer than a restart takes."""
        until = time.monotonic() + GRACE_SECONDS
        while not self._somebody_listens():
            if time.monotonic() > until:
                return True
            if self._stop.wait(LOOK_SECONDS):
                return False
        return False

    def _somebody_listens(self) -> bool:
        try:
            return answers(self._settings, self._port)
        except PortInUseError:  # one that is slow to answer, too
            return True

    def _start_again(self) -> None:
        gone = self._reached.child
        child, _ = started(self._settings, self._port)
        self._reached.child = child
        if gone is not None:
            stop(gone)
        how = "went away" if gone is None else f"ended by itself ({_cause(gone.returncode)})"
        self._tell(f"the collector {how}; started it again at {self._reached.url}")
        self._complaint = ""

    def _failed(self, sentence: str) -> None:
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        if sentence != self._complaint:
            self._complaint = sentence
            self._tell(f"no collector for the moment, training goes on: {sentence}")


def _cause(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
