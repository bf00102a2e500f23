"""One run at a time, whoever asks at once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from fedsight.door.refusal import RefusedError
from fedsight.federated.api.counters import Counters
from fedsight.federated.api.events import EventLog
from fedsight.federated.api.runs import Assignment, Ended, Order, Runner
from fedsight.federated.plan import Plan
from fedsight.federated.rounds.control import RunStoppedError

ORDER = Order(Plan(task="digits", nodes=2), 0)


class Counted:
    """Runs until it is stopped, and counts how many run at once."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0
        self.total = 0
        self._lock = threading.Lock()

    def __call__(self, assignment: Assignment) -> Ended:
        with self._lock:
            self.now += 1
            self.total += 1
            self.most = max(self.most, self.now)
        try:
            while True:
                assignment.control.sleep(1.0)
        except RunStoppedError as stopped:
            with self._lock:
                self.now -= 1
            return Ended("stopped", str(stopped))


def test_there_is_one_run_at_a_time_whoever_asks_at_once() -> None:
    counted = Counted()
    runner = Runner(counted, EventLog(), Counters())

    def hammer(turn: int) -> int:
        commands = (
            lambda: runner.begin(ORDER),
            lambda: runner.restart("again"),
            lambda: runner.stop("enough"),
            lambda: runner.pause("wait"),
            runner.resume,
        )
        try:
            commands[turn % len(commands)]()
        except RefusedError:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        done = sum(pool.map(hammer, range(600)))
    assert runner.close(10.0)
    assert counted.most == 1
    assert counted.now == 0
    assert 0 < counted.total <= done


def test_a_server_that_ends_begins_nothing_more() -> None:
    counted = Counted()
    runner = Runner(counted, EventLog(), Counters())
    runner.begin(ORDER)
    runner.restart("again")
    assert runner.close(10.0)
    assert counted.now == 0
    for command in (lambda: runner.begin(ORDER), lambda: runner.restart("again")):
        with pytest.raises(RefusedError) as refused:
            command()
        assert refused.value.status == 409


def test_a_run_whose_code_exits_has_failed_and_the_next_one_can_begin() -> None:
    def exits(assignment: Assignment) -> Ended:
        raise SystemExit("enough")

    runner = Runner(exits, EventLog(), Counters())
    for _ in range(2):
        runner.begin(ORDER)
        until = time.monotonic() + 5.0
        while runner.current is None or runner.current.active:
            assert time.monotonic() < until
            time.sleep(0.01)
        assert runner.current.ended is not None
        assert runner.current.ended.state == "failed"
