import math
from datetime import UTC, datetime

import numpy as np
import pytest

from fedsight.collector.anomalies.detector import ALARM, Detector, Look, Tuning
from fedsight.collector.anomalies.memory import Memory
from fedsight.collector.anomalies.novelty import SPAN, ShapeNovelty
from fedsight.collector.anomalies.surprise import MOST, Surprise

SMALL = Tuning(memory=500, shapes=200)


def run(values: list[float], tuning: Tuning = SMALL) -> list[Look]:
    detector = Detector(tuning)
    found = [detector.look(float(at), value) for at, value in enumerate(values)]
    return [look for look in found if look is not None]


def noise(count: int, seed: int = 0) -> list[float]:
    return np.random.default_rng(seed).normal(10, 1, count).tolist()


def test_memory_forgets_the_oldest_and_stays_in_order() -> None:
    memory = Memory(3)
    for value in (5.0, 1.0, 3.0, 2.0, 2.0):
        memory.add(value)
    assert memory.ordered.tolist() == [2.0, 2.0, 3.0]
    assert memory.nearest(2.75) == 0.25
    assert memory.nearest(9.0) == 6.0
    assert memory.nearest(0.0) == 2.0
    with pytest.raises(ValueError, match="at least 1"):
        Memory(0)


def test_a_surprise_is_a_power_of_ten_and_does_not_saturate() -> None:
    surprise = Surprise(1000)
    for distance in np.random.default_rng(1).exponential(1, 1000).tolist():
        surprise.of(distance)
    found = [Surprise._of(surprise, distance) for distance in (0.01, 0.7, 2.3, 10.0, 20.0)]
    assert found[0] < 0.05
    assert found[1] == pytest.approx(0.3, abs=0.05)
    assert found[2] == pytest.approx(1.0, abs=0.1)
    assert 3 < found[3] < found[4] < MOST


def test_ties_and_the_first_are_no_surprise() -> None:
    surprise = Surprise(10)
    assert [surprise.of(0.0) for _ in range(30)] == [0.0] * 30


def test_a_spike_is_an_alarm_and_the_noise_around_it_is_not() -> None:
    values = noise(1000)
    values[700] = 60.0
    found = run(values)
    assert [at for at, look in enumerate(found) if look.alarm] == [700]
    assert found[700].score > ALARM > max(look.score for look in found if not look.alarm)
    assert found[700].expected is not None
    assert 7 < found[700].expected[0] < found[700].expected[1] < 13


def test_of_two_alarms_the_odder_has_the_greater_score() -> None:
    scores = []
    for spike in (30.0, 60.0, 600.0):
        values = noise(1000)
        values[700] = spike
        scores.append(run(values)[700].score)
    assert scores[0] < scores[1] < scores[2] < 1


def test_a_shape_is_odd_although_its_values_are_not() -> None:
    phase = np.arange(3000) / 100 * 2 * np.pi
    values = (np.sin(phase) * 10 + np.random.default_rng(2).normal(0, 0.5, 3000)).tolist()
    values[2000:2050] = values[1975:2025]  # the wave stumbles
    alarms = [at for at, look in enumerate(run(values)) if look.alarm]
    assert any(2000 <= at < 2000 + SPAN + 50 for at in alarms)


def test_after_an_alarm_it_is_active_and_quiet_for_a_while() -> None:
    values = noise(1000)
    values[700:720] = [60.0 + at for at in range(20)]
    found = run(values)
    assert sum(look.alarm for look in found) == 1
    active = [at for at, look in enumerate(found) if look.active]
    assert active == list(range(700, 700 + SMALL.hold))


def test_what_is_always_odd_alarms_less_and_less() -> None:
    values = noise(6000)
    for at in range(400, 6000, 100):
        values[at] = 20.0 + at
    found = run(values, Tuning(memory=500, shapes=200, habituation=2.0))
    alarms = [at for at, look in enumerate(found) if look.alarm]
    assert len(alarms) < 28
    assert found[-1].threshold > found[400].threshold


def test_constant_series_says_nothing_and_its_first_change_does() -> None:
    found = run([5.0] * 600 + [6.0] + [5.0] * 50)
    assert [at for at, look in enumerate(found) if look.alarm] == [600]


def test_absent_and_late_points_are_counted_and_change_nothing() -> None:
    detector, same = Detector(SMALL), Detector(SMALL)
    for at, value in enumerate(noise(400)):
        assert detector.look(float(at), float("nan")) is None
        assert detector.look(float(at), None) is None
        assert detector.look(float(at), value) == same.look(float(at), value)
        assert detector.look(float(at), value + 1) is None
        assert detector.handle(float(at) - 5, float("inf")) == 0.0
    assert (detector.points, detector.absent, detector.late) == (400, 1200, 400)


def test_no_shape_spans_a_gap() -> None:
    detector = Detector(SMALL)
    values = noise(700)
    for at, value in enumerate(values[:600]):
        detector.look(float(at), value)
    after = [detector.look(100_000.0 + at, value) for at, value in enumerate(values[600:])]
    assert detector.gaps == 1
    assert [look.shape_surprise for look in after[: SPAN - 1] if look] == [0.0] * (SPAN - 1)
    assert any(look.shape_surprise for look in after[SPAN:] if look)


def test_it_takes_dates_and_always_answers_with_a_number() -> None:
    detector = Detector(SMALL)
    assert detector.handle(datetime(2026, 1, 1, tzinfo=UTC), 1.0) == 0.0
    assert detector.handle(datetime(2026, 1, 1, 0, 5, tzinfo=UTC), 1.0) == 0.0
    assert detector.points == 2


def test_level_and_scale_do_not_matter() -> None:
    values = noise(900)
    values[700] = 40.0
    large = [value * 1024.0 + 2.0**20 for value in values]
    alarms = [[at for at, look in enumerate(run(one)) if look.alarm] for one in (values, large)]
    assert alarms[0] == alarms[1] == [700]


def test_shapes_are_bounded_and_the_oldest_go() -> None:
    novelty = ShapeNovelty(50)
    for value in noise(5000):
        novelty.of(value)
    assert novelty._shapes.shape == (50, 16)


@pytest.mark.parametrize("wrong", [{"threshold": 0.0}, {"hold": -1}, {"memory": 5}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Tuning(**wrong)  # type: ignore[arg-type]


def test_figures_beyond_all_measure_spoil_nothing() -> None:
    detector = Detector(Tuning(memory=200, shapes=50))
    values = np.random.default_rng(1).normal(0.0, 1.0, 600).tolist()
    for at, wild in enumerate((1e300, -1.7e308, 1e40, -1e25, 1.7e308)):
        values[300 + 40 * at] = wild
    looks = [detector.look(at, value) for at, value in enumerate(values)]
    for look in looks:
        assert look is not None
        assert math.isfinite(look.surprise)
        assert 0 <= look.score <= 1
    for memory in (detector._by_value._seen, detector._by_shape._seen):
        assert list(memory.ordered) == sorted(memory.ordered)
        assert all(map(math.isfinite, memory.ordered))
