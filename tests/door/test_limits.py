import pytest

from fedsight.door.limits import REMEMBERED, RateLimit


def test_a_burst_passes_and_then_one_each_period() -> None:
    limit = RateLimit(rate=2.0, burst=3)
    assert [limit.take("a", 0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert limit.take("a", 0.5) == 0.0
    assert limit.take("a", 0.75) == 0.25


def test_one_client_does_not_slow_another() -> None:
    limit = RateLimit(rate=1.0, burst=1)
    assert [limit.take(key, 0.0) for key in "aab"] == [0.0, 1.0, 0.0]


def test_a_rest_fills_no_more_than_the_burst() -> None:
    limit = RateLimit(rate=1.0, burst=2)
    limit.take("a", 0.0)
    assert [limit.take("a", 100.0) for _ in range(3)] == [0.0, 0.0, 1.0]


def test_what_is_remembered_is_bounded() -> None:
    limit = RateLimit(rate=1.0, burst=1)
    for at in range(REMEMBERED + 1):
        limit.take(str(at), 0.0)
    assert limit.take("0", 0.0) == 0.0
    assert limit.take(str(REMEMBERED), 0.0) == 1.0


@pytest.mark.parametrize(("rate", "burst"), [(0.0, 1.0), (1.0, 0.0)])
def test_a_limit_that_lets_nothing_pass_is_refused(rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="rate must be above 0"):
        RateLimit(rate, burst)
