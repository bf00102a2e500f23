from itertools import pairwise

from fedsight.federated.clock import Clock


def test_moments_of_all_clocks_of_a_process_follow_each_other() -> None:
    moments = [Clock().now() for _ in range(10_000)]
    assert all(before <= after for before, after in pairwise(moments))
