import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsight.errors import UsageError
from fedsight.tasks import Partition
from fedsight.tasks.partition import split

SCHEMES = ("iid", "dirichlet", "shards")
LABELS = np.repeat(np.arange(10), 40)


@given(
    labels=st.lists(st.integers(0, 9), min_size=1, max_size=200),
    share=st.floats(0.01, 1.0),
    scheme=st.sampled_from(SCHEMES),
    alpha=st.floats(0.01, 100),
    seed=st.integers(0, 2**32),
)
def test_every_sample_lands_on_exactly_one_node_and_no_node_is_empty(
    labels: list[int], share: float, scheme: str, alpha: float, seed: int
) -> None:
    nodes = max(1, int(share * len(labels)))
    parts = split(np.array(labels), Partition(0, nodes, scheme, alpha, seed))  # type: ignore[arg-type]
    assert len(parts) == nodes
    assert all(len(part) > 0 for part in parts)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_split_depends_on_the_seed_alone(scheme: str) -> None:
    def drawn(seed: int) -> list[list[int]]:
        np.random.seed(np.random.randint(2**31))  # the global generator must not matter
        return [part.tolist() for part in split(LABELS, Partition(0, 7, scheme, 0.5, seed))]  # type: ignore[arg-type]

    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)


def test_iid_parts_differ_by_at_most_one_sample() -> None:
    sizes = [len(part) for part in split(LABELS, Partition(0, 7, "iid"))]
    assert max(sizes) - min(sizes) <= 1


def test_a_small_alpha_makes_nodes_more_unequal_than_a_large_one() -> None:
    def spread(alpha: float) -> float:
        parts = split(LABELS, Partition(0, 10, "dirichlet", alpha))
        return float(np.std([len(part) for part in parts]))

    assert spread(0.1) > 5 * spread(1000.0)


def test_two_shards_a_node_hold_few_classes() -> None:
    parts = split(LABELS, Partition(0, 10, "shards"))
    assert max(len(np.unique(LABELS[part])) for part in parts) <= 4


def test_more_nodes_than_samples_is_refused_with_both_numbers() -> None:
    with pytest.raises(UsageError, match="401 nodes are more than the 400 samples"):
        split(LABELS, Partition(0, 401, "iid"))
