from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import overhead
from benchmarks.accuracy import central_accuracy
from benchmarks.plain import plain_run
from benchmarks.simulated import WithoutEvaluation, held_out_losses, observed_run, unobserved
from fedsight.errors import FedsightError
from fedsight.federated import codec
from fedsight.federated.engines.simulated import Simulation
from fedsight.federated.plan import Plan
from fedsight.journal import Journal
from fedsight.tasks import load
from fedsight.tasks.digits import DIGITS
from tests.federated.toy import Toy

PLAN = Plan(task="digits", nodes=5, fraction=0.6, rounds=3, epochs=2)


def test_the_plain_loop_and_fedsight_end_with_the_same_bits(tmp_path: Path) -> None:
    task = WithoutEvaluation(load(PLAN.task))
    plain, ours = plain_run(task, PLAN)(), observed_run(task, PLAN, tmp_path)()
    assert np.array_equal(plain.vector, ours.vector)


def test_the_cohort_ends_near_the_plain_loop_and_is_refused_where_it_cannot_be(
    tmp_path: Path,
) -> None:
    cohort, task = replace(PLAN, local="cohort"), load(PLAN.task)
    plain = plain_run(task, PLAN)()
    ours = observed_run(WithoutEvaluation(task), cohort, tmp_path)()
    assert np.abs(plain.vector - ours.vector).max() < 1e-4
    with pytest.raises(FedsightError, match="no methods `tensors` and `score`"):
        observed_run(Toy(), cohort, tmp_path)()


def test_every_run_starts_anew_from_the_first_weights(tmp_path: Path) -> None:
    run = observed_run(WithoutEvaluation(load(PLAN.task)), PLAN, tmp_path)
    assert np.array_equal(run().vector, run().vector)


def test_every_round_is_timed_and_its_record_on_disk(tmp_path: Path) -> None:
    trained = observed_run(WithoutEvaluation(load(PLAN.task)), PLAN, tmp_path)()
    assert len(trained.rounds.seconds) == PLAN.rounds
    with Journal(tmp_path, "r-1") as journal:
        assert journal.last_seq == PLAN.rounds


def test_not_observed_trains_the_same_model() -> None:
    task = load(PLAN.task)
    watched = Simulation(PLAN, task).run(lambda record: None, "r-1")
    result = unobserved(Simulation(PLAN, task))
    assert np.array_equal(codec.unpack(result.arrays), watched)
    assert len(result.evaluate_metrics_serverapp) == PLAN.rounds


def test_training_lowers_the_held_out_loss() -> None:
    before, after = held_out_losses(PLAN, plain_run(load(PLAN.task), PLAN)().vector)
    assert after < before


def test_the_central_reference_learns_the_pooled_data() -> None:
    assert central_accuracy(DIGITS, Plan(task="digits", rounds=2, epochs=2)) > 0.7


@pytest.mark.parametrize(("ratio", "met"), [(1.029, True), (1.031, False)])
def test_observing_may_cost_its_share_and_what_no_difference_shows(ratio: float, met: bool) -> None:
    assert overhead.targets(ratio, 0.01, True)[0].met is met
