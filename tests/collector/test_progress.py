from fedsight.collector.progress import RoundFigures, p95, progress, thinned


def test_the_latest_figure_that_was_measured_holds() -> None:
    now = progress(
        [
            RoundFigures(accuracy=0.5, loss=1.0, failures=1, payload_up_bytes=5),
            RoundFigures(accuracy=0.9, loss=0.5, payload_up_bytes=7),
            RoundFigures(accuracy=0.8, failures=2),
            RoundFigures(),
        ]
    )
    assert (now.accuracy, now.best_accuracy, now.loss) == (0.8, 0.9, 0.5)
    assert (now.failures, now.payload_up_bytes, now.payload_down_bytes) == (3, 12, None)
    assert now.accuracy_trend == [0.5, 0.9, 0.8]


def test_no_round_is_no_figure() -> None:
    now = progress([])
    assert (now.accuracy, now.best_accuracy, now.p95_seconds) == (None, None, None)
    assert now.accuracy_trend == []


def test_the_95th_percentile_needs_three_rounds() -> None:
    assert p95([1.0, 2.0]) is None
    assert p95([3.0, 1.0, 2.0]) == 3.0
    assert p95([float(n) for n in range(1, 101)]) == 95.0


def test_a_long_trend_keeps_its_ends() -> None:
    points = thinned([float(n) for n in range(1000)], 60)
    assert (len(points), points[0], points[-1]) == (60, 0.0, 999.0)
    assert points == sorted(points)
