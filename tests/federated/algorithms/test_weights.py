"""What updates weigh, by rules given and by a person's own."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from fedsight.errors import FedsightError, UsageError
from fedsight.federated.algorithms import strategy as algorithm
from fedsight.federated.algorithms.weights import weighing
from fedsight.federated.plan import AlgorithmPlan
from tests.federated.algorithms.replies import asked, next_model, reply, vector

NOT_CALLABLE = 3
RETURNED: object = 0.0


def by_loss(samples: int, figures: Mapping[str, float]) -> float:
    return samples * figures["train-loss"]


def whatever(samples: int, figures: Mapping[str, float]) -> object:
    return RETURNED


@pytest.mark.parametrize(
    ("weighting", "expected"), [("samples", 3.0), ("uniform", 2.0), (f"{__name__}:by_loss", 1.0)]
)
def test_updates_weigh_what_the_rule_says(weighting: str, expected: float) -> None:
    strategy = algorithm(AlgorithmPlan(weighting=weighting))
    first, second = asked(strategy, vector(0))
    replies = [
        reply(first, vector(0), 1, train_loss=9.0),
        reply(second, vector(4), 3, train_loss=1.0),
    ]
    assert next_model(strategy, replies).tolist() == [expected]


@pytest.mark.parametrize(
    ("weighting", "reason"),
    [
        ("nowhere.to.be:found", "no module named 'nowhere'"),
        (f"{__name__}:missing", "has no attribute 'missing'"),
        (f"{__name__}:NOT_CALLABLE", "must be a function, got int"),
    ],
)
def test_a_rule_that_cannot_be_had_is_told_before_anything_runs(
    weighting: str, reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        algorithm(AlgorithmPlan(weighting=weighting))


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        (float("nan"), "at least 0, got nan"),
        (float("inf"), "at least 0, got inf"),
        (-1, "at least 0, got -1"),
        ("many", "must return a number, got 'many'"),
        (True, "must return a number, got True"),
        (None, "must return a number, got None"),
    ],
)
def test_what_is_no_weight_ends_the_run(
    returned: object, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "RETURNED", returned)
    with pytest.raises(FedsightError, match=reason):
        weighing(f"{__name__}:whatever")(3, {})


def test_a_rule_that_raises_is_named() -> None:
    with pytest.raises(FedsightError, match=r"by_loss' failed: KeyError"):
        weighing(f"{__name__}:by_loss")(3, {})
