"""Peers, each in a process of its own that trains only while it is its turn.

The parent asks for some rounds, the peer runs them, answers how long each took and waits: so peers
take turns with us in one run, though each starts once. Both sides of that exchange are here: one
JSON object a line on the peer's standard input and output.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import IO, NoReturn

import msgspec
import psutil

from benchmarks.machine import ROOT
from benchmarks.measuring import Rounds
from fedsight.errors import FedsightError, MissingExtraError
from fedsight.federated.plan import Plan

#: How long a peer may take to end itself, and its children after it, before they are ended.
EXIT_SECONDS = 30.0
GRACE_SECONDS = 1.0


class Ask(msgspec.Struct):
    """The parent's line: run so many rounds; 0 means that there will be no more."""

    rounds: int


class Answer(msgspec.Struct):
    """The peer's line: how long each of the rounds asked for took."""

    seconds: list[float]


class Farewell(msgspec.Struct):
    """The peer's last line: held-out loss before its first round and after its last."""

    loss_before: float
    loss_after: float


class Footprint(msgspec.Struct):
    """Processes that a peer runs in, and the memory that only they use."""

    processes: int
    memory_bytes: int


class PeerError(FedsightError):
    """A peer did not run; the message holds the end of what it said."""


def require(*modules: str) -> None:
    """Raise MissingExtraError, naming the `pip install`, where a peer is not installed."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError(f"{module} (a peer of this benchmark)", "bench")


def living(process: psutil.Process) -> bool:
    """Whether it still runs: one that ended and that nobody has waited for does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class Peer:
    """The parent's side: the process of `python -m MODULE`, which trains `plan`.

    Leaving the context ends the process and every process that it started.
    """

    def __init__(self, module: str, plan: Plan) -> None:
        self._module = module
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed in __exit__)
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, msgspec.json.encode(plan).decode()],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self._family: dict[int, psutil.Process] = {}

    def turn(self, rounds: int) -> Rounds:
        """Let it run so many rounds; returns how long each took."""
        self._ask(rounds)
        try:
            return Rounds(tuple(msgspec.json.decode(self._line(), type=Answer).seconds))
        finally:
            self._remember_family()

    def farewell(self) -> Farewell:
        """Let it end; returns what its training came to."""
        self._ask(0)
        return msgspec.json.decode(self._line(), type=Farewell)

    def footprint(self) -> Footprint:
        """What it takes of the machine at this moment."""
        self._remember_family()
        own = []
        for process in self._living():
            with contextlib.suppress(psutil.NoSuchProcess):
                own.append(process.memory_full_info().uss)
        return Footprint(len(own), sum(own))

    def _ask(self, rounds: int) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(msgspec.json.encode(Ask(rounds)) + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self._fail()

    def _line(self) -> bytes:
        assert self._process.stdout is not None
        return self._process.stdout.readline() or self._fail()

    def _fail(self) -> NoReturn:
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().splitlines()[-15:]
        raise PeerError("\n".join([f"{self._module} did not run:", *said]))

    def _remember_family(self) -> None:
        """Note who descends from it now: whoever is orphaned later is still known."""
        try:
            parent = psutil.Process(self._process.pid)
            for process in (parent, *parent.children(recursive=True)):
                self._family.setdefault(process.pid, process)
        except psutil.NoSuchProcess:
            return

    def _living(self) -> list[psutil.Process]:
        return [process for process in self._family.values() if living(process)]

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self._remember_family()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(EXIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.terminate()
        psutil.wait_procs(self._living(), timeout=GRACE_SECONDS)
        for process in self._living():
            process.kill()
        psutil.wait_procs(self._living(), timeout=GRACE_SECONDS)
        self._process.wait()
        self._errors.close()


class NoMoreTurnsError(Exception):
    """The parent wants no further rounds."""


class Turns:
    """The peer's side: `begin` before the first round, `round_ended` after each.

    Both wait while it is not this peer's turn, and raise NoMoreTurnsError when there will be none.
    Whatever else prints goes to standard error: standard output is the answers'.
    """

    def __init__(self) -> None:
        self._answers = os.fdopen(os.dup(1), "wb", buffering=0)
        os.dup2(2, 1)
        self._left = 0
        self._seconds: list[float] = []
        self._last = 0.0

    def begin(self) -> None:
        """Wait for the first turn."""
        self._await_turn()

    def round_ended(self) -> None:
        """Note the round; at the end of the turn, answer and wait for the next."""
        now = time.perf_counter()
        self._seconds.append(now - self._last)
        self._last = now
        self._left -= 1
        if self._left == 0:
            self._say(Answer(self._seconds))
            self._await_turn()

    def farewell(self, loss_before: float, loss_after: float) -> None:
        """Say the last line, if anybody still listens."""
        try:
            self._say(Farewell(loss_before, loss_after))
        except BrokenPipeError:
            return

    def _await_turn(self) -> None:
        line = sys.stdin.buffer.readline()
        self._left = msgspec.json.decode(line, type=Ask).rounds if line else 0
        if self._left == 0:
            raise NoMoreTurnsError
        self._seconds = []
        self._last = time.perf_counter()

    def _say(self, what: Answer | Farewell) -> None:
        self._answers.write(msgspec.json.encode(what) + b"\n")


def plan_of(arguments: Sequence[str]) -> Plan:
    """The plan that the parent put on the command line."""
    return msgspec.json.decode(arguments[1], type=Plan)
