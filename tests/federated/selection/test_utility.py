import math

import pytest

from fedsight.federated.selection import utility
from fedsight.federated.selection.history import Known
from tests.federated.selection.made import fleet


def test_the_papers_terms_by_hand() -> None:
    assert utility.statistical(120, 0.5) == 60.0
    assert utility.statistical(120, -0.5) == 0.0
    assert utility.staleness(5, 1) == 0.0
    assert utility.staleness(5, 50) == pytest.approx(math.sqrt(0.1 * math.log(50) / 5))
    assert utility.slowness(2.0, 2.0) == 1.0
    assert utility.slowness(4.0, 2.0) == 0.25
    assert utility.slowness(None, 2.0) == utility.slowness(2.0, None) == 1.0


def test_the_explored_share_decays_to_its_least() -> None:
    assert utility.explored_share(0.2, 1) == 0.9
    assert utility.explored_share(0.2, 2) == pytest.approx(0.882)
    assert utility.explored_share(0.2, 75) > 0.2
    assert utility.explored_share(0.2, 76) == 0.2
    assert utility.explored_share(1.0, 1) == 1.0


def test_utilities_are_scaled_and_clipped() -> None:
    assert utility.scaled([2.0, 4.0, 3.0]) == [0.0, 1.0, 0.5]
    assert utility.scaled([7.0, 7.0]) == [1.0, 1.0]
    assert utility.scaled([]) == []
    # Of 40, the 95 % quantile is the 39th: one outlier does not make all others nothing.
    assert utility.scaled([float(at) for at in range(39)] + [1e9])[-2:] == [1.0, 1.0]


def test_scores_are_of_nodes_that_are_known() -> None:
    history = {
        "client-0": Known(last=4, times=1, loss=1.0, samples=10, seconds=1.0),
        "client-1": Known(last=1, times=1, loss=2.0, samples=10, seconds=4.0),
        "client-2": Known(last=4, times=1, failing=1, loss=2.0, samples=10),
        "client-3": Known(last=4, times=1, loss=2.0),
        "client-9": Known(last=4, times=1, loss=99.0, samples=10),
    }
    found = utility.scores(fleet(5), history, 5)
    # The median of 1 s and 4 s is 2.5 s; only client-1 is slower.
    assert found == {
        1000: pytest.approx(0.0 + math.sqrt(0.1 * math.log(5) / 4)),
        1001: pytest.approx((1.0 + math.sqrt(0.1 * math.log(5) / 1)) * (2.5 / 4) ** 2),
    }


def test_within_reach_of_a_place() -> None:
    # The second best is 1.0; what has at least 0.95 of it may be drawn.
    assert utility.within_reach([1.0, 0.96, 0.94, 2.0], 2) == [0, 1, 3]
    assert utility.within_reach([1.0, 0.5], 0) == []
