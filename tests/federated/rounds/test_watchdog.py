from __future__ import annotations

import sys
import threading
import time

import pytest

from fedsight.errors import JournalError
from fedsight.federated.rounds.control import Activity, Progress, Progressing
from fedsight.federated.rounds.watchdog import Stall, Watchdog, stall


@pytest.mark.parametrize(
    ("activity", "still", "usual", "found"),
    [
        ("training", 9.0, 4.0, False),
        ("training", 12.1, 4.0, True),
        ("training", 4.9, 0.1, False),
        ("training", 5.0, 0.1, True),
        ("aggregating", 16.0, 5.0, True),
        ("evaluating", 119.0, None, False),
        ("evaluating", 120.0, None, True),
        ("waiting", 500.0, 1.0, False),
        ("paused", 500.0, 1.0, False),
    ],
)
def test_three_times_the_usual_time_is_a_stall(
    activity: Activity, still: float, usual: float | None, found: bool
) -> None:
    assert (stall(activity, still, usual, ()) is not None) == found


def test_a_stall_names_phase_times_and_nodes() -> None:
    names = tuple(f"client-{at}" for at in range(7))
    assert str(Stall("training", 12.4, 2.0, names)) == (
        "no progress in training for 12 s, it usually takes 2 s;"
        " waiting for client-0, client-1, client-2, client-3, client-4 and 2 more"
    )


def test_an_activity_that_begins_while_the_watchdog_looks_has_not_stood_still() -> None:
    class Hours(Progressing):
        """Training begins, after a pause of hours, between two of its questions."""

        def __init__(self) -> None:
            super().__init__()
            self.begin("paused")
            self._touched -= 10_000.0
            self.questions = 0

        def _asked(self) -> None:
            self.questions += 1
            if self.questions == 2:
                self.begin("training")

        @property
        def now(self) -> Progress:
            self._asked()
            return super().now

        @property
        def touched(self) -> float:
            self._asked()
            return super().touched

    told: list[Stall] = []
    Watchdog(Hours(), told.append, lambda: None).look()
    assert told == []


def test_what_the_watchdog_says_does_not_undo_what_the_run_says_meanwhile() -> None:
    progress = Progressing()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            progress.stall("stands still")

    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads take turns as often as they can
    dog = threading.Thread(target=watch)
    dog.start()
    try:
        for round_ in range(10_000):
            progress.at(round_, 10_000)
            assert progress.now.round == round_
            progress.begin("training" if round_ % 2 else "evaluating")
            assert progress.now.activity == ("training" if round_ % 2 else "evaluating")
    finally:
        done.set()
        dog.join()
        sys.setswitchinterval(usual)


def test_a_stall_that_cannot_be_told_does_not_end_the_watch() -> None:
    told: list[Stall] = []
    progress = Progressing()
    progress.begin("training")
    progress.begin("training")

    def full(found: Stall) -> None:
        told.append(found)
        raise JournalError("no space left on device")

    with Watchdog(progress, full, lambda: None, least=0.05, look=0.01):
        until(lambda: len(told) == 1)
        progress.touch()
        until(lambda: len(told) == 2)


def test_a_stall_is_told_once_and_its_end_too() -> None:
    told: list[Stall] = []
    ended: list[str] = []
    progress = Progressing()
    waiting = {"m1": "client-1", "m2": "client-2"}
    progress.begin("training")
    progress.begin("aggregating")
    progress.begin("training", waiting=waiting)
    dog = Watchdog(progress, told.append, lambda: ended.append("end"), least=0.05, look=0.01)
    with dog:
        until(lambda: bool(told))
        assert (told[0].activity, told[0].nodes) == ("training", ("client-1", "client-2"))
        assert progress.now.stalled == str(told[0])
        time.sleep(0.1)
        assert (len(told), ended) == (1, [])
        del waiting["m1"]
        progress.touch()
        until(lambda: bool(ended))
        assert progress.now.stalled is None
        until(lambda: len(told) == 2)
    assert told[1].nodes == ("client-2",)


def until(done: object) -> None:
    deadline = time.monotonic() + 5.0
    while not done():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.005)
