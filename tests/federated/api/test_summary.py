from __future__ import annotations

import pytest

from fedsight.federated.api import summary
from fedsight.federated.api.history import RoundFacts


def facts(accuracy: float | None, payload: int | None = None, seconds: float = 1.0) -> RoundFacts:
    return RoundFacts(1, True, 0, accuracy=accuracy, payload_bytes=payload, seconds=seconds)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], None),
        ([0.5], None),
        ([None, 0.5], None),
        ([0.5, 0.52], 0.2),
        ([0.5, 0.51, 0.53, 0.53], 0.1),
        ([0.9, 0.1], -1.0),
        ([0.1, 0.9], 1.0),
        ([0.5, None, 0.51], 0.1),
    ],
)
def test_trend(values: list[float | None], found: float | None) -> None:
    assert summary.trend(values) == (None if found is None else pytest.approx(found))


@pytest.mark.parametrize(
    ("accuracies", "found"),
    [
        ([0.5, 0.6], None),
        ([0.5, 0.6, 0.75], 0.5),
        ([0.1, 0.5, 0.6, 0.75], 0.5),
        ([0.5, 0.4, 0.25], -0.5),
        ([1.0, 1.0, 1.0], None),
        ([0.5, None, 0.6, 0.75], 0.5),
    ],
)
def test_convergence_rate(accuracies: list[float | None], found: float | None) -> None:
    assert summary.convergence_rate(accuracies) == found


@pytest.mark.parametrize(
    ("accuracies", "found"),
    [
        ([0.5] * 4, None),
        ([0.5] * 5, 1.0),
        ([0.0, 0.5, 0.5, 0.5, 0.5, 0.5], 1.0),
        ([0.0, 1.0, 0.0, 1.0, 0.5], 1.0 - 0.2**0.5),
    ],
)
def test_stability(accuracies: list[float | None], found: float | None) -> None:
    assert summary.stability(accuracies) == (None if found is None else pytest.approx(found))


@pytest.mark.parametrize(
    ("rounds", "found"),
    [
        ([], None),
        ([facts(0.5, 1_000_000)], None),
        ([facts(0.5, 1_000_000), facts(0.7, 2_000_000)], 0.1),
        ([facts(None, 9), facts(0.5, 9), facts(None, 1_000_000), facts(0.7, 1_000_000)], 0.1),
        ([facts(0.5, 9), facts(0.7, None)], None),
        ([facts(0.5, 9), facts(0.4, 500_000)], -0.2),
    ],
)
def test_communication_efficiency(rounds: list[RoundFacts], found: float | None) -> None:
    expected = None if found is None else pytest.approx(found)
    assert summary.communication_efficiency(rounds) == expected


def test_what_is_left_takes_the_median_of_what_was_measured() -> None:
    rounds = [facts(0.5, seconds=each) for each in (1.0, 2.0, 60.0)]
    assert summary.remaining_seconds(rounds, 10) == 20.0
    assert summary.remaining_seconds([], 10) is None
    assert summary.average_seconds(rounds) == 21.0
