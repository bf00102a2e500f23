import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsight.federated.algorithms import mean as mean_module
from fedsight.federated.algorithms.mean import MeanFigures, WeightedMean
from fedsight.federated.flat import Vector
from tests.federated.algorithms.replies import vector


def mean_of(vectors: list[Vector], weights: list[int] | list[float]) -> Vector | None:
    mean = WeightedMean()
    for one, weight in zip(vectors, weights, strict=True):
        mean.add(one, weight)
    return mean.result()


def test_the_mean_is_weighted() -> None:
    result = mean_of([vector(0, 1), vector(4, 5)], [1, 3])
    assert result is not None
    assert result.tolist() == [3.0, 4.0]
    assert result.dtype == np.float32


def test_weights_may_be_any_numbers() -> None:
    result = mean_of([vector(0, 1), vector(4, 5)], [0.125, 0.375])
    assert result is not None
    assert result.tolist() == [3.0, 4.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, mean_module.BLOCK, 2 * mean_module.BLOCK + 7])
def test_a_vector_of_many_blocks_is_summed_as_one(size: int, dtype: type) -> None:
    rng = np.random.default_rng(0)
    vectors = [rng.normal(size=size).astype(dtype) for _ in range(3)]
    expected = vectors[0] * dtype(2) + vectors[1] * dtype(3)
    expected += vectors[2] * dtype(4)
    result = mean_of(vectors, [2, 3, 4])
    assert result is not None
    assert np.array_equal(result, expected / dtype(9))


@given(
    st.lists(
        st.tuples(
            st.lists(st.floats(-9, 9, width=32), min_size=3, max_size=3), st.integers(1, 1000)
        ),
        min_size=1,
        max_size=9,
    )
)
def test_it_has_the_bits_of_a_plain_loop(given_: list[tuple[list[float], int]]) -> None:
    total = given_[0][1] * vector(*given_[0][0])
    for values, samples in given_[1:]:
        total += vector(*values) * samples
    expected = total / sum(samples for _, samples in given_)
    result = mean_of([vector(*values) for values, _ in given_], [one for _, one in given_])
    assert result is not None
    assert result.tobytes() == expected.tobytes()


def test_updates_are_not_written_to() -> None:
    first, second = vector(1, 1), vector(3, 3)
    mean_of([first, second], [1, 1])
    assert first.tolist() == [1, 1]
    assert second.tolist() == [3, 3]


def test_nothing_has_no_mean() -> None:
    assert WeightedMean().result() is None
    assert mean_of([vector(1, 1)], [0]) is None


def test_figures_are_averaged_over_those_that_report_them() -> None:
    figures = MeanFigures()
    figures.add({"loss": 8.0}, 1)
    figures.add({"loss": 4.0, "accuracy": 0.5}, 3)
    figures.add({"loss": 99.0, "seconds": 1.0}, 0)
    assert figures.result() == {"loss": 5.0, "accuracy": 0.5}
