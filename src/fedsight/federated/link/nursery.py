"""Processes forked from one that has imported what they all need, and looked after by it.

Importing torch and Flower takes two seconds of a core; forked, eight nodes take no more of it than
one. A nursery has one thread, or forking would not be safe.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fedsight.errors import FedsightError

LOOK_SECONDS = 0.1
#: Nodes say goodbye to the SuperLink, so it goes last.
STOP_SECONDS = 4.0
FIRST_PAUSE = 0.2
LONGEST_PAUSE = 30.0
#: One that lived so long has failed for another reason than it did before.
STEADY_SECONDS = 20.0
LOG_BYTES = 4 * 2**20

_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


#: What a nursery tells: that a child was started (its pid), or how it ended (None: no pid).
Tell = Callable[["Child", str], object]


@dataclass
class Child:
    """One process: what it does, and how it has fared.

    `again`: it is started anew when it ends. `last`: it is ended after the others.
    """

    name: str
    run: Callable[[], None]
    log: Path
    again: bool = False
    last: bool = False
    pid: int = 0
    since: float = 0.0
    pause: float = FIRST_PAUSE
    due: float | None = 0.0


@dataclass
class Nursery:
    """Forks children, looks after them, and ends them."""

    level: str
    tell: Tell
    children: list[Child] = field(default_factory=list)
    #: Closes in every child when this process is gone.
    lifeline: tuple[int, int] = field(default_factory=os.pipe)

    def begin(self, child: Child) -> None:
        """Look after one more child; it starts at once."""
        self.children.append(child)
        self._start_due()

    def look_after(self) -> None:
        """Until standard input closes."""
        while not select.select([sys.stdin], [], [], LOOK_SECONDS)[0]:
            self._reap()
            self._start_due()

    def end(self) -> None:
        """End all children, gently first."""
        self._end([child for child in self.children if not child.last])
        self._end(self.children)

    def _end(self, children: list[Child]) -> None:
        for child in children:
            child.again = False
            if child.pid:
                os.kill(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while any(child.pid for child in children) and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.02)
        for child in children:
            if child.pid:
                os.kill(child.pid, signal.SIGKILL)
                os.waitpid(child.pid, 0)
                child.pid = 0

    def _start_due(self) -> None:
        for child in self.children:
            if child.due is not None and time.monotonic() >= child.due:
                child.due = None
                self._fork(child)

    def _fork(self, child: Child) -> None:
        child.since = time.monotonic()
        child.pid = os.fork()
        if child.pid == 0:
            os._exit(self._be(child))
        self.tell(child, "started")

    def _be(self, child: Child) -> int:
        """What a child does; its exit code. Everything else here is the parent's."""
        os.close(self.lifeline[1])
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _redirect(child.log)
        logging.basicConfig(level=self.level, stream=sys.stderr, format=_LOG_FORMAT, force=True)
        logging.getLogger("httpx").setLevel(logging.WARNING)
        watch = threading.Thread(target=_end_with_parent, args=(self.lifeline[0],), daemon=True)
        watch.start()
        try:
            child.run()
        except FedsightError as error:
            print(f"fedsight: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 1
        except BaseException:  # a child must never go on as a second nursery
            traceback.print_exc()
            return 1
        finally:
            sys.stderr.flush()
        return 0

    def _reap(self) -> None:
        for child in self.children:
            if child.pid:
                pid, status = os.waitpid(child.pid, os.WNOHANG)
                if pid:
                    self._ended(child, os.waitstatus_to_exitcode(status))

    def _ended(self, child: Child, code: int) -> None:
        child.pid, lived = 0, time.monotonic() - child.since
        if lived > STEADY_SECONDS:
            child.pause = FIRST_PAUSE
        if child.again:
            child.due = time.monotonic() + child.pause
            child.pause = min(child.pause * 2, LONGEST_PAUSE)
        self.tell(child, f"signal {-code}" if code < 0 else f"exit code {code}")


def _redirect(log: Path) -> None:
    """Standard output and error to the log, and nothing from standard input."""
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as file, open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _end_with_parent(lifeline: int) -> None:
    """The other end is held by the nursery alone: it closes when that is gone."""
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(STOP_SECONDS)
    os._exit(1)
