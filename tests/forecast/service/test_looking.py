"""What one look after another foresees, scores, remembers and tells."""

from __future__ import annotations

import numpy as np
import pytest

from fedsight.forecast.scale import Scale
from fedsight.forecast.service.predictor import Personal
from fedsight.forecast.service.scoring import COUNT
from tests.forecast.service.made import METRICS, STEP, Made, a_model, rows, slots


def test_each_node_with_enough_rows_is_foreseen(made: Made) -> None:
    times = slots(60)
    made.add("n-1", times)
    made.add("n-2", times[-12:])
    made.service.look()
    nodes = made.service.standing.nodes
    told, lacks = nodes["n-1"].told, nodes["n-2"].lacks
    assert told is not None
    assert told.shape == (20, 2, 3)
    assert (np.diff(told, axis=-1) >= 0).all()
    assert lacks is not None
    assert (lacks.standing, lacks.rows, lacks.wanted) == ("few_rows", 12, 30)
    assert lacks.message == "n-2 has 12 rows, a forecast needs 30"


def test_what_is_foreseen_becomes_samples_at_the_times_foreseen(made: Made) -> None:
    times = slots(60)
    made.add("n-1", times)
    made.service.look()
    found = {
        (each.labels["metric"], each.labels["horizon"], each.labels["quantile"]): each
        for each in made.samples
    }
    assert len(found) == len(made.samples) == 2 * 2 * 3
    told = made.service.standing.nodes["n-1"].told
    assert told is not None
    one = found["power", "10", "0.9"]
    assert (one.name, one.labels["node"]) == ("forecast_value", "n-1")
    assert one.time == times[-1] + 10 * STEP
    assert one.value == pytest.approx(told[9, 1, 2])


def test_no_row_came_no_forecast_is_made(made: Made) -> None:
    made.add("n-1", slots(60))
    made.service.look()
    first = made.service.standing.nodes["n-1"]
    made.service.look()
    assert made.service.standing.nodes["n-1"] is first
    assert len(made.told) == 1


def test_errors_are_told_once_the_rows_have_come_however_late(made: Made) -> None:
    times = slots(60)
    made.add("n-1", times[:40])
    made.service.look()
    told = made.service.standing.nodes["n-1"].told
    assert told is not None
    made.add("n-1", times[40:])
    made.service.look()
    errors = {
        (each.labels["metric"], each.labels["horizon"], each.labels["method"]): each
        for each in made.samples
        if each.name == "forecast_absolute_error"
    }
    assert len(errors) == 2 * 2 * 3
    actual, last = rows(times)["load"].iloc[[49, 39]]
    assert errors["load", "10", "model"].value == pytest.approx(abs(told[9, 0, 1] - actual))
    assert errors["load", "10", "persistence"].value == pytest.approx(abs(last - actual))
    median = rows(times)["load"].iloc[10:40].median()
    assert errors["load", "10", "median_30"].value == pytest.approx(abs(median - actual))
    assert errors["load", "10", "model"].time == times[49]
    inside = [each.value for each in made.samples if each.name == "forecast_covered_ratio"]
    assert len(inside) == 4
    assert set(inside) <= {0.0, 1.0}


def test_every_horizon_is_scored_once_over_a_restart_too(made: Made) -> None:
    times = slots(60)
    made.add("n-1", times[:40])
    made.service.look()
    made.add("n-1", times[40:45])
    made.service.look()
    made.again()
    made.add("n-1", times[45:])
    made.service.look()
    made.again()
    made.service.look()
    memory = made.service.memory
    (sums,) = memory.sums(int(times[-1])).values()
    assert memory.horizons == (1, 2, 3, 5, 7, 10, 15, 20)
    # From the row 40 all eight; from the row 45 those up to 15.
    assert sums[:, 0, COUNT].tolist() == [2, 2, 2, 2, 2, 2, 2, 1]


def test_a_gap_is_not_bridged(made: Made) -> None:
    times = slots(60)
    made.add("n-1", np.delete(times, 45))
    made.service.look()
    lacks = made.service.standing.nodes["n-1"].lacks
    assert lacks is not None
    assert (lacks.standing, lacks.rows) == ("gap", 14)
    assert made.told == []


def test_a_constant_and_a_node_without_the_metrics_are_named(made: Made) -> None:
    times = slots(60)
    flat = rows(times).assign(load=1.0, power=2.0)
    made.windows.window("flat").add_dataframe(flat)
    made.windows.window("other").add_dataframe(rows(times)[["power"]])
    made.add("good", times)
    made.service.look()
    nodes = made.service.standing.nodes
    standings = {name: one.lacks and one.lacks.standing for name, one in nodes.items()}
    assert standings == {"flat": "constant", "good": None, "other": "no_metric"}


def test_a_personal_model_and_scale_count_for_their_node_alone(made: Made) -> None:
    times = slots(60)
    scale = Scale(np.array([50.0, 100.0]), np.array([7.0, 14.0]))
    own = a_model(seed=1).model
    made.versions.now = a_model(personal={"n-1": Personal(own, scale)})
    made.add("n-1", times)
    made.add("n-2", times)
    made.service.look()
    one, two = made.service.standing.nodes["n-1"], made.service.standing.nodes["n-2"]
    assert (one.personal, two.personal) == (True, False)
    assert one.told is not None
    assert two.told is not None
    assert not np.allclose(one.told, two.told)


def test_a_newer_version_is_taken_and_memory_goes_on(made: Made) -> None:
    times = slots(60)
    made.add("n-1", times[:40])
    made.service.look()
    made.versions.now = a_model(seed=3, version="r-bbbbbbbb/7")
    made.add("n-1", times[40:])
    made.service.look()
    assert made.service.standing.nodes["n-1"].version == "r-bbbbbbbb/7"
    assert made.service.memory.drift.version == "r-bbbbbbbb/7"
    assert made.service.memory.sums(int(times[-1]))["n-1"][0, 0, COUNT] == 1


def test_without_a_model_it_waits_and_says_so(made: Made) -> None:
    model = made.versions.now
    made.versions.now = None
    made.add("n-1", slots(60))
    made.service.look()
    assert made.service.standing.no_model == "there is no model yet"
    made.versions.now = model
    made.service.look()
    assert made.service.standing.no_model is None
    assert made.service.standing.nodes["n-1"].told is not None


def test_the_metrics_are_those_of_the_model() -> None:
    assert a_model().shape.metrics == METRICS
