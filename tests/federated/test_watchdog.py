from __future__ import annotations

import time

import pytest

from fedsight.federated.control import Activity, Progressing
from fedsight.federated.watchdog import Stall, Watchdog, stall


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
