"""Nodes that are killed, frozen, or come back while a run goes on: real processes, real signals."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fedsight.federated.link.launch import launched
from tests.federated.faults.ground import Traffic, assert_sound, plan, running, settings
from tests.federated.faults.paced import COUNTING, WIDTH, Pace, until, weight_after

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

#: Values of a model of 96 MB: it is on its way for as long as a test needs to see it.
LARGE = 24_000_000
#: When a node that fell silent is known at the latest: one look, and what a loaded machine takes.
LOOK_SECONDS, SLACK_SECONDS = 1.0, 2.0


def killed_halfway(traffic: Callable[[], int], kill: Callable[[], None]) -> None:
    """Kill once a part of the model has gone by; it may not all have gone by then."""
    until(lambda: traffic() > LARGE // 10, what="a part of a model")
    kill()
    time.sleep(0.2)
    assert traffic() < 4 * LARGE


def between_rounds(pace: Pace, round: int) -> None:
    """Hold the run up at the end of a round."""
    pace.hold("evaluate")
    pace.wait("evaluate", round)


def test_nodes_killed_in_download_in_training_and_in_upload(
    pace: Pace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WIDTH, str(LARGE))
    asked = plan(nodes=4, rounds=5, timeout_seconds=60.0, silent_seconds=4.0)
    pace.hold("evaluate")
    with (
        launched(settings(tmp_path), 4, task=COUNTING, again=False) as federation,
        running(federation, tmp_path, asked) as run,
    ):
        between_rounds(pace, 1)
        traffic = Traffic(run, federation, "client-0")
        pace.release("evaluate")
        killed_halfway(traffic.down, lambda: federation.kill_node(0))

        between_rounds(pace, 2)
        pace.hold("train-1")
        pace.release("evaluate")
        pace.wait("train-1", 3)
        federation.kill_node(1)

        between_rounds(pace, 3)
        traffic = Traffic(run, federation, "client-2")
        pace.release("evaluate")
        killed_halfway(traffic.up, lambda: federation.kill_node(2))
        there = assert_sound(run, 5, asked.closing.timeout_seconds or 0.0)
        silent = [event.node for event in run.events("NODE_SILENT")]
    everybody = ["client-0", "client-1", "client-2", "client-3"]
    assert there == {at: everybody[max(0, at - 1) :] for at in (1, 2, 3, 4)} | {5: everybody[3:]}
    assert silent == everybody[:3]
    took = [range(min(3, at), 4) for at in (0, 1, 2, 3, 3)]
    assert run.outcome().loss == pytest.approx(weight_after(*took))


def test_a_frozen_node_is_told_given_up_and_taken_back(pace: Pace, tmp_path: Path) -> None:
    asked = plan(nodes=3, rounds=100, timeout_seconds=60.0)
    for node in range(3):
        pace.slow(f"train-{node}", 0.3)
    with (
        launched(settings(tmp_path), 3, task=COUNTING, again=False) as federation,
        running(federation, tmp_path, asked) as run,
    ):
        run.rounds(2)
        pace.wait("train-1", pace.times("train-1") + 1)
        federation.kill_node(1, signal.SIGSTOP)
        frozen, during = time.time_ns(), len(run.reports) + 1
        silent = run.said("NODE_SILENT", "client-1")
        stalled = run.events("RUN_STALLED")[0]
        run.rounds(during + 3)
        federation.kill_node(1, signal.SIGCONT)
        run.said("NODE_RETURNED", "client-1")
        run.said("CLIENT_LATE", "client-1")
        run.rounds(len(run.reports) + 3)
        run.steering.control.stop("seen enough")
        outcome = run.outcome()
    assert outcome.state == "stopped"
    known = asked.closing.silent_seconds + LOOK_SECONDS + SLACK_SECONDS
    assert (silent.time - frozen) / 1e9 < known
    # The watchdog told it before, at five seconds: rounds are quicker than that.
    assert (stalled.time - frozen) / 1e9 < 5.0 + LOOK_SECONDS + SLACK_SECONDS
    assert (stalled.details["phase"], stalled.details["nodes"]) == ("training", ["client-1"])
    assert max(report.seconds for report in run.reports) < known


def test_a_node_that_is_killed_and_started_again_at_once_holds_nobody_up(
    pace: Pace, tmp_path: Path
) -> None:
    asked = plan(nodes=3, rounds=6)  # the deadline is five minutes
    with (
        launched(settings(tmp_path), 3, task=COUNTING, again=True) as federation,
        running(federation, tmp_path, asked) as run,
    ):
        run.rounds(1)
        pace.hold("train-1")
        pace.wait("train-1", 2)
        federation.kill_node(1)
        pace.release("train-1")
        there = assert_sound(run, 6, 10.0)
        (failed,) = run.events("CLIENT_FAILED")
    assert (failed.round, failed.node) == (2, "client-1")
    # Flower says the second where it was asked just while the node began anew.
    assert re.search("process ended before|Node Unavailable", failed.details["message"])
    assert there[2] == ["client-0", "client-2"]
    assert there[6] == ["client-0", "client-1", "client-2"]


def test_half_the_nodes_gone_at_once(pace: Pace, tmp_path: Path) -> None:
    asked = plan(nodes=4, rounds=4, timeout_seconds=30.0, silent_seconds=3.0)
    with (
        launched(settings(tmp_path), 4, task=COUNTING, again=False) as federation,
        running(federation, tmp_path, asked) as run,
    ):
        pace.hold("train-2")
        pace.wait("train-2", 1)
        for node in (2, 3):
            federation.kill_node(node)
        there = assert_sound(run, 4, 10.0)
        silent = {event.node for event in run.events("NODE_SILENT")}
    assert silent == {"client-2", "client-3"}
    assert there[4] == ["client-0", "client-1"]


@pytest.mark.parametrize("late", ["count", "use"])
def test_nodes_that_are_all_slower_than_the_deadline_do_not_fail_the_run(
    pace: Pace, tmp_path: Path, late: str
) -> None:
    asked = plan(nodes=2, rounds=4, timeout_seconds=1.0, late=late)
    for node in range(2):
        pace.slow(f"train-{node}", 1.6)
    with (
        launched(settings(tmp_path), 2, task=COUNTING) as federation,
        running(federation, tmp_path, asked) as run,
    ):
        run.rounds(2)
        for node in range(2):
            pace.slow(f"train-{node}", 0.0)
        there = assert_sound(run, 4, 1.0)
        late_ones = run.events("CLIENT_LATE")
    assert 1 not in there
    assert late_ones
    assert set(there[4]) == {"client-0", "client-1"}
