"""Services of ours as child processes: started, looked after, ended with whoever started them."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue

from fedsight.cli.attached import LISTENING, START_SECONDS, stop
from fedsight.cli.interrupts import INTERRUPTS
from fedsight.config import LOOPBACK
from fedsight.door.serving import listening
from fedsight.errors import FedsightError
from fedsight.starting import command

#: A child that died is started again after so long, and twice as long each time.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0


def port_near(wanted: int) -> int:
    """`wanted`, where nobody has it on this machine, else any free port."""
    for port in (wanted, 0):
        try:
            with listening(LOOPBACK, port) as taken:
                return int(taken.getsockname()[1])
        except FedsightError:
            continue
    raise FedsightError("there is no free port")


@dataclass
class Service:
    """`fedsight serve NAME` with those settings in its environment, and its log in `logs`.

    It ends when its standard input closes: with us, however we end.
    """

    name: str
    environment: Mapping[str, str]
    logs: Path
    child: subprocess.Popen[bytes] | None = None
    _due: float = 0.0
    _pause: float = FIRST_PAUSE
    _lines: SimpleQueue[bytes] = field(default_factory=SimpleQueue)

    def start(self) -> None:
        """Return once it listens. Raises FedsightError, with its last words, where it does not."""
        with self.log.open("ab") as log, INTERRUPTS.held():
            self.child = subprocess.Popen(
                command("fedsight", "serve", self.name, "--until-stdin-closes"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                env={**os.environ, **self.environment},
            )
        self._lines = SimpleQueue()
        reader = threading.Thread(target=_read, args=(self.child, self._lines), daemon=True)
        reader.start()
        if not self._line().startswith(LISTENING):
            self.stop()
            raise FedsightError(f"serve {self.name} did not start: {self._last_words()}")

    @property
    def log(self) -> Path:
        """Where it writes what it has to say."""
        return self.logs / f"{self.name}.log"

    def look(self) -> str | None:
        """Start it again where it has died; what is to be said of that, if anything."""
        child = self.child
        if child is not None and child.poll() is None:
            return None
        if child is not None:
            self.stop()
            self._due = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            return f"serve {self.name} ended by itself; it is started again, see {self.log}"
        if time.monotonic() < self._due:
            return None
        try:
            self.start()
        except FedsightError as error:
            self._due = time.monotonic() + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            return str(error)
        return None

    def stop(self) -> None:
        """End it, gently first."""
        child, self.child = self.child, None
        if child is not None:
            stop(child)

    def _line(self) -> str:
        """Its first line; waits in short steps, so that Ctrl-C is heard."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                return self._lines.get(timeout=0.1).decode(errors="replace")
            except Empty:
                continue
        return ""

    def _last_words(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").split("\n")
        words = [line for line in lines if line.strip()]
        return words[-1].removeprefix("fedsight: ") if words else f"see {self.log}"


def _read(child: subprocess.Popen[bytes], lines: SimpleQueue[bytes]) -> None:
    """Take all that it says, so that its pipe is never full."""
    assert child.stdout is not None
    try:
        for line in child.stdout:
            lines.put(line)
    except ValueError:  # closed while it was read: it has ended
        pass
    lines.put(b"")
