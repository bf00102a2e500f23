"""A metric that never changes in a node's window is absent there, and nothing else is."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from fedsight.forecast.service import answers, rows
from fedsight.forecast.service.memory import MOST_LOSS
from fedsight.forecast.service.scoring import COUNT
from tests.forecast.service.made import Made, slots
from tests.forecast.service.made import rows as waves

TDP = 150.0
NAMED = "n-1: power is 150 throughout its window; a constant is not foreseen"
Times = np.ndarray[tuple[int], np.dtype[np.int64]]


def busy(made: Made, times: Times, power: float = TDP) -> None:
    """Rows whose power is pinned."""
    made.windows.window("n-1").add_dataframe(waves(times).assign(power=power))


def sums(made: Made, times: Times) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Sums of all that was scored: every one a number."""
    found = made.service.memory.sums(int(times[-1]))["n-1"]
    assert np.isfinite(found).all()
    return found


def test_the_other_metrics_are_foreseen_and_the_constant_is_named(made: Made) -> None:
    times = slots(60)
    busy(made, times)
    made.service.look()
    one, loaded = made.service.standing.nodes["n-1"], made.service.standing.loaded
    assert loaded is not None
    told = answers.node(one, loaded)
    assert (told.standing, told.message) == ("ready", NAMED)
    assert [each.metric for each in told.outlook] == ["load"]
    answer = answers.forecast(one, loaded, rows.ForecastQuery(), None, 3.0)
    assert [each.metric for each in answer.forecasts] == ["load"]
    assert b"null" not in msgspec.json.encode(answer.forecasts[0].quantiles)
    with pytest.raises(Exception, match=NAMED) as refused:
        answers.forecast(one, loaded, rows.ForecastQuery(metric="power"), None, 3.0)
    assert vars(refused.value)["code"] == "constant"
    assert {each.labels["metric"] for each in made.samples} == {"load"}


def test_a_constant_is_to_the_model_what_it_always_was_zeros(made: Made) -> None:
    times = slots(60)
    busy(made, times)
    made.add("n-2", times)
    made.windows.window("n-3").add_dataframe(waves(times).assign(power=9e11))
    made.service.look()
    first, other = (made.service.standing.nodes[name].told for name in ("n-1", "n-3"))
    assert first is not None
    assert other is not None
    assert first[:, 0] == pytest.approx(other[:, 0])
    assert np.isfinite(first).all()


def test_it_is_not_scored_and_counts_for_nothing(made: Made) -> None:
    times = slots(90)
    busy(made, times[:60])
    made.service.look()
    busy(made, times[60:])
    made.service.look()
    found = sums(made, times)
    assert found[:, 0, COUNT].tolist() == [1] * 8
    assert not found[:, 1].any()
    drift = made.service.memory.drift
    assert drift.reference_count == 8
    assert np.isfinite(drift.reference_sum)
    errors = [each for each in made.samples if each.name != "forecast_value"]
    assert {each.labels["metric"] for each in errors} == {"load"}
    assert all(np.isfinite(each.value) for each in errors)


def test_it_comes_and_goes_over_restarts_and_learns_from_its_own_window(made: Made) -> None:
    times = slots(200, ahead=80)
    busy(made, times[:60])
    made.service.look()
    begun = made.service.memory.nodes["n-1"].correction
    assert begun is not None
    assert begun[:, 0].any()
    assert not begun[:, 1].any()
    made.again()
    made.add("n-1", times[60:120])
    made.service.look()  # what was foreseen without it is scored without it
    assert sums(made, times)[:, 1, COUNT].tolist() == [0] * 8
    learned = made.service.memory.nodes["n-1"].correction
    assert learned is not None
    assert learned[:, 1].any()
    assert np.isfinite(learned).all()
    made.again()
    made.add("n-1", times[120:140])
    made.service.look()
    assert sums(made, times)[:, 1, COUNT].tolist() == [1] * 8
    assert {each.labels["metric"] for each in made.samples} == {"load", "power"}


def test_a_first_change_after_long_rest_counts_for_little_in_drift(made: Made) -> None:
    times = slots(295)
    busy(made, times[:240])
    for end in range(241, 270):
        made.service.look()
        busy(made, times[end - 1 : end])
    busy(made, times[269:270], TDP + 1e-6)
    made.service.look()
    busy(made, times[270:], TDP / 2)
    made.service.look()
    loss, count = made.service.memory.drift.recent[-1]
    assert count > 8  # both metrics
    assert 0 < loss / count <= MOST_LOSS  # the fall is 1e9 times the sd that was known


def test_where_all_are_constant_nothing_is_foreseen(made: Made) -> None:
    times = slots(60)
    made.windows.window("n-1").add_dataframe(waves(times).assign(load=1.0, power=TDP))
    made.service.look()
    lacks = made.service.standing.nodes["n-1"].lacks
    assert lacks is not None
    assert lacks.standing == "constant"
    assert "load is 1" in lacks.message
    assert "power is 150" in lacks.message
