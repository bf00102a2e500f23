import numpy as np
import pytest

from fedsight.federated.scrutiny.sketch import BLOCK, LONGEST, WIDTH, Sketcher, direct


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def test_short_updates_are_kept_as_they_are() -> None:
    found = direct(
        [np.array([4, 2], np.float32), np.ones(2, np.float32)], np.ones(2, np.float32), [1, 2]
    )
    assert found.rows.tolist() == [[3.0, 1.0], [0.0, 0.0]]
    assert found.norms.tolist() == [pytest.approx(10**0.5), 0.0]


@pytest.mark.parametrize("size", [WIDTH + 1, 10 * WIDTH, BLOCK, BLOCK + 7, 2 * BLOCK + 3 * WIDTH])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_norms_are_exact_and_cosines_nearly(size: int, dtype: type) -> None:
    rng = np.random.default_rng(size)
    model, one, noise = rng.standard_normal((3, size)).astype(dtype)
    other = one * dtype(0.6) + noise * dtype(0.8)
    sketcher = Sketcher(2)
    first, second = sketcher.sketch(model + one, model), sketcher.sketch(model + other, model)
    assert first.norm == pytest.approx(float(np.linalg.norm(one)), rel=1e-4)
    assert first.places.shape == (WIDTH,)
    assert cosine(first.places, second.places) == pytest.approx(cosine(one, other), abs=0.12)


def test_the_same_values_in_another_block_are_no_twin() -> None:
    half = np.random.default_rng(3).standard_normal(BLOCK).astype(np.float32)
    model = np.zeros(2 * BLOCK, np.float32)
    front, back = model.copy(), model.copy()
    front[:BLOCK], back[BLOCK:] = half, half
    sketcher = Sketcher(4)
    places = [sketcher.sketch(one, model).places for one in (front, back)]
    assert abs(cosine(*places)) < 0.12


def test_an_update_beyond_all_numbers_is_very_long_and_like_nothing() -> None:
    far = np.full(2 * WIDTH, 3e38, np.float32)
    found = Sketcher(5).sketch(far, np.zeros_like(far))
    assert found.norm == LONGEST
    assert not found.places.any()
    short = direct([far, np.ones_like(far)], np.zeros_like(far), [1, 2])
    assert short.norms.tolist() == [LONGEST, pytest.approx((2 * WIDTH) ** 0.5)]
    assert not short.rows[0].any()
    assert short.rows[1].all()


def test_signs_are_drawn_anew_for_every_run() -> None:
    model = np.zeros(4 * WIDTH, np.float32)
    vector = np.random.default_rng(6).standard_normal(4 * WIDTH).astype(np.float32)
    found = [Sketcher().sketch(vector, model).places for _ in range(2)]
    assert not np.array_equal(*found)
