"""A SuperLink that is killed while nodes train, and comes back with and without its memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsight.federated.link.launch import launched
from tests.federated.faults.ground import assert_sound, plan, running, settings
from tests.federated.faults.paced import COUNTING, Pace, weight_after

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.mark.parametrize("remembers", [True, False])
def test_a_killed_superlink_costs_no_round(pace: Pace, tmp_path: Path, remembers: bool) -> None:
    database = tmp_path / "superlink.sqlite" if remembers else None
    asked = plan(nodes=3, rounds=4, timeout_seconds=60.0)
    for node in range(3):
        pace.hold(f"train-{node}")
    with (
        launched(settings(tmp_path), 3, task=COUNTING, database=database) as federation,
        running(federation, tmp_path, asked) as run,
    ):
        for node in range(3):
            pace.wait(f"train-{node}")
        federation.kill_superlink()
        pace.slow("train-0", 0.2)
        for node in range(3):
            pace.release(f"train-{node}")
        there = assert_sound(run, 4, 30.0)
        restarted = [event.round for event in run.events("ROUND_RESTARTED")]
    assert restarted in ([], [1]) if remembers else restarted == [1]
    assert there == {at: ["client-0", "client-1", "client-2"] for at in range(1, 5)}
    assert run.outcome().loss == pytest.approx(weight_after(*[range(3)] * 4))
    assert not run.waits or "does not answer" in run.waits[0]


def test_without_rounds_in_step_what_a_lost_superlink_held_is_asked_anew(
    pace: Pace, tmp_path: Path
) -> None:
    asked = plan(nodes=3, rounds=8, mode="async", buffer=2, timeout_seconds=20.0)
    with (
        launched(settings(tmp_path), 3, task=COUNTING) as federation,
        running(federation, tmp_path, asked) as run,
    ):
        run.rounds(2)
        for node in range(3):
            pace.hold(f"train-{node}")
        federation.kill_superlink()
        for node in range(3):
            pace.release(f"train-{node}")
        assert_sound(run, 8, 20.0)
        assert run.events("ROUND_RESTARTED")
