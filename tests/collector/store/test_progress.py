from fedsight.collector.store.progress import p95, stride, total_after


def test_a_sum_follows_a_round_that_changes() -> None:
    assert total_after(None, None, None) is None
    assert total_after(None, None, 0) == 0
    assert total_after(7, None, 5) == 12
    assert total_after(12, 5, 3) == 10


def test_the_95th_percentile_needs_three_rounds() -> None:
    assert p95([1.0, 2.0]) is None
    assert p95([3.0, 1.0, 2.0]) == 3.0
    assert p95([float(n) for n in range(1, 101)]) == 95.0


def test_a_long_stride_keeps_its_ends() -> None:
    points = stride(1, 1000, 60)
    assert (len(points), points[0], points[-1]) == (60, 1, 1000)
    assert points == sorted(set(points))
    assert stride(3, 5, 60) == [3, 4, 5]
