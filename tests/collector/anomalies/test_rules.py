import pytest

from fedsight.collector.alerts.finding import Finding
from fedsight.collector.anomalies.pieces import Piece
from fedsight.collector.anomalies.ruled import Ruled, latency_unit, ruled
from fedsight.collector.anomalies.rules import accuracy_drop, disconnect_spike, latency_spike
from fedsight.signals import Series, series_key


def active(found: Finding | None) -> bool | None:
    return None if found is None else found.active


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [(0.9, 0.79, True), (0.9, 0.8, True), (0.9, 0.81, False), (0.5, 0.9, False)],
)
def test_accuracy_falls_by_a_tenth(before: float, now: float, expected: bool) -> None:
    found = accuracy_drop("r-1", [before] * 5 + [now] * 5, 7, 10)
    assert found is not None
    assert found.active is expected
    assert found.type == "fl_accuracy_drop"
    assert found.current_value == pytest.approx(now)
    assert found.baseline == pytest.approx(before)
    assert found.threshold == pytest.approx(before - 0.1)
    assert (found.run, found.round, found.time) == ("r-1", 10, 7)


def test_accuracy_looks_at_the_last_ten_and_no_fewer() -> None:
    assert accuracy_drop("r-1", [0.9] * 9, 0, None) is None
    assert active(accuracy_drop("r-1", [0.1] * 3 + [0.9] * 5 + [0.2] * 5, 0, None)) is True


@pytest.mark.parametrize(
    ("participants", "selected", "expected"),
    [(6, 10, True), (7, 10, False), (10, 10, False), (0, 3, True), (0, 0, None)],
)
def test_fewer_than_seven_of_ten_take_part(
    participants: int, selected: int, expected: bool | None
) -> None:
    assert active(disconnect_spike("r-1", participants, selected, 0, 1)) is expected


@pytest.mark.parametrize(
    ("current", "expected"), [(121.0, True), (120.0, False), (20.0, False), (0.0, False)]
)
def test_a_latency_lies_100_ms_over_the_mean_of_the_ten_before(
    current: float, expected: bool
) -> None:
    before = [999.0, *[10.0, 30.0] * 5]
    assert active(latency_spike("x_latency_ms", {}, before, current, 0)) is expected
    assert latency_spike("x_latency_ms", {}, before[:9], current, 0) is None


def piece(name: str, values: list[float], start: int = 1, **labels: str) -> Piece:
    at = list(range(start, start + len(values)))
    return Piece(Series(name, labels), series_key(name, labels), at, values, at)


def test_the_current_latency_is_left_out_of_its_own_baseline() -> None:
    found = list(Ruled().take(piece("path_latency_seconds", [0.02] * 10 + [0.2, 0.02])))
    assert [one.active for one in found] == [True, False]
    assert found[0].baseline == pytest.approx(20.0)
    assert found[1].baseline == pytest.approx(38.0)
    assert found[0].current_value == pytest.approx(200.0)


def test_a_drop_of_accuracy_is_told_and_told_to_be_over() -> None:
    gathered = Ruled()
    assert list(gathered.take(piece("fl_accuracy", [0.9] * 9, run="r-1"))) == []
    found = list(gathered.take(piece("fl_accuracy", [0.5] * 12, 10, run="r-1")))
    assert [one.active for one in found] == [
        False,
        True,
        True,
        True,
        True,
        True,
        True,
        True,
        False,
        False,
        False,
        False,
    ]
    assert {one.key for one in found} == {"fl_accuracy_drop/r-1"}


def test_what_comes_again_or_late_is_left_out() -> None:
    gathered = Ruled()
    list(gathered.take(piece("fl_accuracy", [0.9] * 9, run="r-1")))
    assert list(gathered.take(piece("fl_accuracy", [0.1] * 9, run="r-1"))) == []
    assert len(list(gathered.take(piece("fl_accuracy", [0.9], 10, run="r-1")))) == 1


def test_participation_needs_both_counts_of_a_round() -> None:
    gathered = Ruled()
    assert list(gathered.take(piece("fl_round_participants", [5, 9], run="r-1"))) == []
    found = list(gathered.take(piece("fl_round_selected", [10, 10], run="r-1")))
    assert [(one.round, one.active, one.current_value) for one in found] == [
        (1, True, 0.5),
        (2, False, 0.9),
    ]


def test_figures_of_one_node_are_not_the_runs() -> None:
    found = list(Ruled().take(piece("fl_accuracy", [0.9] * 20, run="r-1", node="client-1")))
    assert found == []


def test_latencies_are_known_by_their_unit() -> None:
    assert latency_unit("path_latency_seconds") == 1000
    assert latency_unit("path_latency_ms") == 1
    assert latency_unit("fl_accuracy") is None
    assert not ruled("host_cpu_utilization_ratio")
