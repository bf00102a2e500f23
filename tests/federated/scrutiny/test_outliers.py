import numpy as np
import pytest

from fedsight.federated.scrutiny.outliers import FEWEST, MOST_PEERS, deviations, looks
from fedsight.federated.scrutiny.sketch import Sketches, direct

RNG = np.random.default_rng(0)


def sketched(updates: np.ndarray, samples: list[float] | None = None) -> Sketches:
    model = np.zeros(updates.shape[1], np.float32)
    return direct(list(updates.astype(np.float32)), model, samples or [10.0] * len(updates))


def honest(count: int, size: int = 200, seed: int = 0) -> np.ndarray:
    """Updates that share a direction and have much of their own, of differing lengths."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal(size)
    own = rng.standard_normal((count, size))
    return (shared + 1.5 * own) * rng.uniform(0.8, 1.2, (count, 1))


def scores(updates: np.ndarray) -> list[float]:
    found = [look.score for look in looks(sketched(updates), RNG)]
    assert None not in found
    return [score for score in found if score is not None]


def test_deviations_are_robust() -> None:
    rows = np.array([[1.0, 2.0, 3.0, 4.0, 100.0], [1.0, 1.0, 1.05, 1.0, 1.0]])
    found = deviations(rows, np.array([0.1, 0.1]))
    assert found[0].tolist() == pytest.approx([-1.349, -0.6745, 0.0, 0.6745, 65.43], abs=0.01)
    assert found[1].tolist() == pytest.approx([0, 0, 0.5, 0, 0])


def test_honest_updates_are_like_one_another() -> None:
    assert max(scores(honest(10))) < 2.5


def test_a_scaled_update_is_long() -> None:
    updates = honest(10)
    updates[3] *= 10
    look = looks(sketched(updates), RNG)[3]
    assert look.norm_deviation is not None
    assert look.norm_deviation > 8
    assert look.score is not None
    assert look.score > 4


def test_who_has_more_samples_may_move_further() -> None:
    updates, samples = honest(12), [10.0 * 2 ** (at % 4) for at in range(12)]
    samples[11] = 640.0
    updates *= np.array(samples)[:, None] / 10
    told = looks(sketched(updates, samples), RNG)[11].norm_deviation
    untold = looks(sketched(updates), RNG)[11].norm_deviation
    assert told is not None
    assert untold is not None
    assert abs(told) < 2.5 < untold


def test_claimed_samples_excuse_no_more_than_their_multiple() -> None:
    updates, samples = honest(12), [10.0 * 2 ** (at % 4) for at in range(12)]
    updates[3] *= 50
    samples[3] *= 2
    look = looks(sketched(updates, samples), RNG)[3]
    assert look.norm_deviation is not None
    assert look.norm_deviation > 8


def test_a_flipped_sign_points_away() -> None:
    updates = honest(10)
    updates[[2, 7]] *= -1
    found = looks(sketched(updates), RNG)
    assert all(found[at].score > 4 for at in (2, 7))  # type: ignore[operator]
    assert found[2].cosine is not None
    assert found[2].cosine < -0.2
    others = [look.score for at, look in enumerate(found) if at not in (2, 7)]
    assert max(others) < 2.5  # type: ignore[type-var]


def test_two_that_send_the_same_are_twins() -> None:
    updates = honest(10)
    updates[8] = updates[9] = updates[:8].mean(0) - 1.5 * updates[:8].std(0)
    found = looks(sketched(updates), RNG)
    assert found[8].twin == pytest.approx(1.0)
    assert all(found[at].score > 5 for at in (8, 9))  # type: ignore[operator]


def test_where_all_are_alike_nobody_is_a_twin() -> None:
    shared = np.random.default_rng(2).standard_normal(200)
    updates = shared + 0.001 * honest(8, seed=3)
    assert max(scores(updates)) < 2.5
    assert scores(np.stack([shared] * 6)) == [0.0] * 6


@pytest.mark.parametrize("count", [1, 2, FEWEST - 1])
def test_of_few_updates_nobody_is_the_odd_one_out(count: int) -> None:
    found = looks(sketched(honest(count)), RNG)
    assert all(look.score is None and look.norm > 0 for look in found)
    assert all((look.cosine is None) == (count == 1) for look in found)


def test_an_update_of_nothing_has_no_direction() -> None:
    updates = honest(8)
    updates[4] = 0
    found = looks(sketched(updates), RNG)
    assert found[4].norm == 0.0
    assert found[4].cosine is found[4].score is None
    assert all(look.score is not None for at, look in enumerate(found) if at != 4)
    assert all(look.score is None for look in looks(sketched(updates * 0), RNG))


def test_a_large_round_is_compared_with_some_peers() -> None:
    updates = honest(MOST_PEERS + 44)
    updates[[5, 200]] *= -1
    found = scores(updates)
    assert min(found[5], found[200]) > 4
    assert sorted(found)[-3] < 4
