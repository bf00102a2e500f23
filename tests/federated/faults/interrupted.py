"""`fedsight run` in a process of its own that is stopped at a moment of the test's choice, and what
it has left on disk by then."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from fedsight.federated.runs.checkpoint import Checkpoints
from fedsight.journal.codec import Codec
from tests.cli.command import FEDSIGHT, environment, line_with
from tests.federated.faults.paced import FOLDER, Pace, until

ROOT = Path(__file__).parents[3]
ENDS = {"ROUND_COMPLETED", "ROUND_FAILED"}


class Interrupted:
    """A run of `fedsight run` with a data directory, through all its interruptions."""

    def __init__(self, data: Path, *flags: str) -> None:
        self.data = data
        self.flags = (*flags, "--port", "0", "--exit", "--json")
        self.pace = Pace(data.with_name("pace"))
        self.process: subprocess.Popen[str] | None = None
        self.run = ""

    def start(self, *more: str) -> None:
        """Begin it, or go on with it."""
        resume = ("--resume", self.run) if self.run else self.flags[:-4]
        self.process = subprocess.Popen(
            [*FEDSIGHT, "run", *resume, *more, *self.flags[-4:]],
            cwd=ROOT,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        process = self.process
        process.stdout, process.stderr = process.stderr, process.stdout
        self.run = line_with(process, "run r-").split()[1]
        process.stdout, process.stderr = process.stderr, process.stdout

    def environment(self) -> dict[str, str]:
        """That of its processes, unbuffered."""
        paced = {FOLDER: str(self.pace.folder), "PYTHONUNBUFFERED": "1"}
        return environment(self.data, PYTHONPATH=str(ROOT), **paced)

    def ended(self) -> dict[str, Any]:
        """Let it end; what it said as JSON."""
        assert self.process is not None
        out, err = self.process.communicate(timeout=100)
        assert self.process.returncode == 0, err
        found: dict[str, Any] = json.loads(out)
        return found

    def refused(self, *flags: str) -> str:
        """What `fedsight run --resume` says, as its only sentence, when it does not go on."""
        done = subprocess.run(
            [*FEDSIGHT, "run", *flags, "--port", "0", "--exit"],
            cwd=ROOT,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode in {1, 2}, done
        assert done.stderr.count("\n") == 1, done.stderr
        return done.stderr

    def wait(self, phase: str, times: int) -> None:
        """Until a phase has begun so often; what it said instead, where it does not."""
        try:
            self.pace.wait(phase, times)
        except AssertionError as error:
            logs = self.data / "logs"
            said = {path.name: path.read_text()[-3000:] for path in logs.glob("*.log")}
            assert self.process is not None
            self.process.kill()
            raise AssertionError(f"{error}: {self.process.communicate()}, {said}") from None

    def kill(self) -> None:
        """SIGKILL to the training process alone."""
        assert self.process is not None
        self.process.kill()
        self.process.communicate(timeout=60)

    def kill_in(self, phase: str) -> None:
        """Kill it while it is in a phase of its task."""
        self.wait(phase, self.pace.times(phase) + 3)
        self.pace.hold(phase)
        self._settled(phase)
        self.kill()
        self.pace.release(phase)

    def _settled(self, phase: str) -> None:
        """Until the phase is held: it has begun, and does not begin again."""
        times = -1
        while times != (times := self.pace.times(phase)):
            time.sleep(0.3)

    def kill_when(self, found: Callable[[], bool], seed: int) -> None:
        """Stop it again and again, at moments of chance, until `found`: kill it there."""
        assert self.process is not None
        moments = random.Random(seed)

        def stopped() -> bool:
            time.sleep(moments.uniform(0.0, 0.003))
            os.kill(self.process.pid, signal.SIGSTOP)  # type: ignore[union-attr]
            _, status = os.waitpid(self.process.pid, os.WUNTRACED)  # type: ignore[union-attr]
            assert os.WIFSTOPPED(status), "it ended before"
            try:
                if found():
                    return True
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):  # it was stopped while it opened its journal
                    raise
            os.kill(self.process.pid, signal.SIGCONT)  # type: ignore[union-attr]
            return False

        until(stopped, what="the moment")
        self.kill()

    def model(self) -> int:
        """The round of the newest model version on disk."""
        found = (self.data / "models" / self.run).glob("*.safetensors")
        return max((int(path.stem) for path in found if path.stem.isdecimal()), default=0)

    def checkpoint(self) -> int:
        """The round of the checkpoint on disk."""
        folder = Checkpoints(self.data / "checkpoints")
        return folder.read(self.run).round if folder.path(self.run).exists() else 0

    def journaled(self) -> list[int]:
        """The rounds in its journal, as they were appended."""
        path = self.data / "journals" / f"{self.run}.sqlite"
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            rows = database.execute("SELECT body FROM record ORDER BY seq").fetchall()
        finally:
            database.close()
        batches = (Codec().decode(body) for (body,) in rows)
        found = [event for batch in batches for event in batch.events if event.kind in ENDS]
        return [event.round for event in found if event.round is not None]


def everything(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The training process and all that descend from it: collector, SuperLink, nodes."""
    training = psutil.Process(process.pid)
    return [training, *training.children(recursive=True)]
