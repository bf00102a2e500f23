"""Faults in between, and times far apart: nothing told is lost, counted twice or made up."""

from __future__ import annotations

import numpy as np
import pytest

from fedsight.errors import JournalError
from fedsight.forecast.scale import Scale
from fedsight.forecast.service.observed import known
from fedsight.forecast.service.predictor import Known, Personal
from fedsight.forecast.service.scoring import COUNT
from fedsight.signals import Batch
from tests.forecast.service.made import METRICS, STEP, Made, a_model, rows, slots


def fail(_: Batch) -> None:
    raise JournalError("the disk is full")


def test_errors_that_could_not_be_journaled_are_told_later(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = slots(60)
    made.add("n-1", times[:40])
    made.service.look()
    made.add("n-1", times[40:])
    with monkeypatch.context() as patch:
        patch.setattr(made.service.journal, "append", fail)
        for _ in range(2):
            with pytest.raises(JournalError):
                made.service.look()
    made.service.look()
    errors = [each for each in made.samples if each.name == "forecast_absolute_error"]
    assert len(errors) == 2 * 2 * 3
    made.again()
    made.service.look()
    assert made.service.memory.sums(int(times[-1]))["n-1"][0, 0, COUNT] == 1


def test_a_new_version_is_not_judged_by_forecasts_of_the_one_before(made: Made) -> None:
    times = slots(90)
    made.add("n-1", times[:40])
    made.service.look()
    made.versions.now = a_model(seed=3, version="r-bbbbbbbb/7")
    made.add("n-1", times[40:65])
    made.service.look()
    assert made.service.memory.sums(int(times[-1]))["n-1"][0, 0, COUNT] == 1
    assert made.service.memory.drift.reference_count == 0
    made.again()
    made.add("n-1", times[65:])
    made.service.look()
    assert made.service.memory.drift.reference_count == 8 * len(METRICS)


def test_a_version_that_came_before_a_fault_is_used_after_it(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = slots(60)
    made.add("n-1", times[:40])
    made.service.look()
    scale = Scale(np.array([50.0, 100.0]), np.array([7.0, 14.0]))
    newer = a_model(personal={"n-1": Personal(a_model(seed=1).model, scale)})
    answers = iter([newer, None])
    monkeypatch.setattr(made.versions, "newest", lambda than: next(answers))
    made.add("n-1", times[40:])
    with monkeypatch.context() as patch:
        patch.setattr(made.service.journal, "append", fail)
        with pytest.raises(JournalError):
            made.service.look()
    made.service.look()
    assert made.service.standing.nodes["n-1"].personal


def test_a_row_of_a_wrong_clock_does_not_stretch_a_window() -> None:
    times = slots(60)
    times[0] = times[1] - 200_000 * STEP
    found = known("n-1", rows(times), METRICS, STEP, 30)
    assert isinstance(found, Known)
    assert found.times[-1] == times[-1]
    assert len(found.times) == 59


def test_a_pause_in_training_outlasts_a_model_of_another_shape(made: Made) -> None:
    made.again(retrain="run")
    made.service._train_again("r-aaaaaaaa/1")
    made.again(retrain="run", told=(1, 5))
    made.service.look()
    made.again(retrain="run", told=(1, 5))
    made.service._train_again("r-aaaaaaaa/1")
    assert made.trainer.begun == 1


def test_runs_that_mend_nothing_are_not_begun_for_ever(made: Made) -> None:
    made.again(retrain="run", cool_down=0.0)
    for _ in range(5):
        made.service._train_again("r-aaaaaaaa/1")
    made.again(retrain="run", cool_down=0.0)
    made.service._train_again("r-aaaaaaaa/1")
    assert made.trainer.begun == 3
    made.service._train_again("r-bbbbbbbb/1")
    assert made.trainer.begun == 4
