"""The rule of drift, and what follows it."""

from __future__ import annotations

from msgspec.structs import replace

from fedsight.forecast.service.drift import Drift, drifted, figures
from fedsight.forecast.service.options import DriftRule
from fedsight.forecast.service.retraining import RetrainError
from tests.forecast.service.made import Made, a_model, slots

RULE = DriftRule(ratio=1.5, calm=1.2, recent=20, reference=20)


def after(*losses: float) -> tuple[Drift, list[bool]]:
    """Passes of 10 scores each, of these mean losses."""
    now, began = Drift("r-1/1"), []
    for loss in losses:
        now, begins = drifted(now, loss * 10, 10, RULE)
        began.append(begins)
    return now, began


def test_the_first_scores_are_the_reference_and_the_next_ones_are_compared() -> None:
    now, began = after(0.9, 1.1, 1.4, 1.4)
    told = figures(now, RULE)
    assert (told.reference, told.recent, told.ratio) == (1.0, 1.4, 1.4)
    assert not any(began)


def test_nothing_is_known_before_there_is_enough() -> None:
    now, _ = after(1, 1, 1)
    told = figures(now, RULE)
    assert (told.reference, told.recent, told.ratio) == (1.0, None, None)
    assert (told.scored, told.wanted) == (10, 20)


def test_drift_begins_once_and_again_only_after_calm() -> None:
    now, began = after(1, 1, 1, 2, 2, 1.3, 1.3, 1.6, 1.6, 1, 1, 1.6, 1.6)
    assert [at for at, begins in enumerate(began) if begins] == [3, 12]
    assert now.drifting


def test_a_pass_without_scores_changes_nothing() -> None:
    now, _ = after(1, 1, 1)
    assert drifted(now, 0.0, 0, RULE) == (now, False)


def drifts(made: Made) -> None:
    """A level that the model was good at, then one that it cannot follow."""
    times = slots(290, ahead=95)
    made.add("n-1", times[:100])
    made.service.look()
    made.add("n-1", times[100:130])
    made.service.look()
    made.add("n-1", times[130:150])
    made.service.look()
    for end in range(160, 290, 10):
        made.add("n-1", times[end - 10 : end], level=50.0 * 2 ** (end // 10 - 15))
        made.service.look()


def kinds(made: Made) -> list[str]:
    return [event.kind for event in made.events]


def test_drift_is_suggested_and_runs_nothing_unless_allowed(made: Made) -> None:
    drifts(made)
    assert kinds(made) == ["RETRAIN_SUGGESTED"]
    details = made.events[0].details
    assert details["ratio"] >= details["threshold"] == 1.5
    assert details["version"] == "r-aaaaaaaa/1"
    assert made.trainer.begun == 0


def test_where_allowed_one_run_is_begun_within_the_cool_down(made: Made) -> None:
    made.again(retrain="run")
    drifts(made)
    assert kinds(made) == ["RETRAIN_SUGGESTED", "RETRAIN_STARTED"]
    assert made.trainer.begun == 1
    made.again(retrain="run")
    made.service.look()
    assert made.service.memory.drift.drifting
    assert made.trainer.begun == 1


def test_a_run_that_cannot_begin_is_told(made: Made) -> None:
    made.trainer.failure = RetrainError("no FL server answers")
    made.again(retrain="run")
    drifts(made)
    assert kinds(made) == ["RETRAIN_SUGGESTED", "RETRAIN_FAILED"]
    assert made.events[-1].details["message"] == "no FL server answers"


def test_never_says_nothing(made: Made) -> None:
    made.again(retrain="never")
    drifts(made)
    assert kinds(made) == []


def test_that_it_is_over_is_told_once_the_error_is_back(made: Made) -> None:
    drifts(made)
    memory = made.service.memory
    calm = memory.drift.reference_sum / memory.drift.reference_count
    memory.drift = replace(memory.drift, recent=((calm * 40, 40),))
    times = slots(60)
    made.add("n-2", times[:40])
    made.service.look()
    made.add("n-2", times[40:])
    made.service.look()
    assert kinds(made) == ["RETRAIN_SUGGESTED", "DRIFT_ENDED"]
    details = made.events[-1].details
    assert details["version"] == details["served"] == "r-aaaaaaaa/1"
    assert details["ratio"] < 1.2


def test_a_new_version_ends_the_drift_of_the_one_before(made: Made) -> None:
    drifts(made)
    made.versions.now = a_model(seed=3, version="r-bbbbbbbb/7")
    made.again().look()
    made.service.look()
    assert kinds(made) == ["RETRAIN_SUGGESTED", "DRIFT_ENDED"]
    details = made.events[-1].details
    assert (details["version"], details["served"]) == ("r-aaaaaaaa/1", "r-bbbbbbbb/7")
