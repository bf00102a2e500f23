"""Our own scorer of NAB, by hand, and what it reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import anomalies
from benchmarks.baselines import EwmaZScore, WindowedGaussian
from benchmarks.nab import PROFILES, Labelled, hits, normalised, read, sigmoid, worth
from benchmarks.nab_like import KINDS, corpus
from fedsight.errors import UsageError

STANDARD = PROFILES["standard"]


def series(size: int = 1000, windows: tuple[tuple[int, int], ...] = ((400, 499),)) -> Labelled:
    return Labelled("x", np.arange(size) * 300.0, np.zeros(size), windows)


def scores(size: int, **at: float) -> np.ndarray:
    found = np.zeros(size)
    for index, score in at.items():
        found[int(index[1:])] = score
    return found


def test_worth_falls_from_the_beginning_of_a_window_to_far_beyond_it() -> None:
    found = worth(series(), STANDARD)
    assert found[400] == pytest.approx(1.0)
    assert found[450] == pytest.approx(sigmoid(-0.5) / sigmoid(-1))
    assert 0 < found[499] < 0.1
    assert found[500] == pytest.approx(0.11 * sigmoid(1 / 99))
    assert found[900] == found[399] == found[0] == -0.11


def test_right_at_once_and_never_wrong_is_100_and_silence_is_0() -> None:
    one = series()
    assert normalised([one], [scores(1000, i400=1.0)], STANDARD)[0] == pytest.approx(100)
    assert normalised([one], [scores(1000) - 1], STANDARD)[0] == pytest.approx(0)


def test_a_false_alarm_costs_by_the_profile() -> None:
    found = scores(1000, i400=1.0, i200=1.0)
    standard = normalised([series()], [found], STANDARD)
    assert standard == (pytest.approx(100 * (2 - 0.11) / 2), 1.0)
    strict = normalised([series()], [found], PROFILES["low_false_positives"])[0]
    assert strict == pytest.approx(100 * (2 - 0.22) / 2)
    mild = normalised([series()], [found], PROFILES["low_false_negatives"])[0]
    assert mild == pytest.approx(100 * (3 - 0.11) / 3)


def test_of_a_window_only_the_best_detection_counts() -> None:
    found = scores(1000, i400=0.9, i480=1.0, i481=1.0)
    assert normalised([series()], [found], STANDARD) == (pytest.approx(100), 0.9)


def test_the_threshold_is_the_best_for_the_whole_corpus() -> None:
    good, bad = scores(1000, i400=0.9, i200=0.1), scores(1000, i400=0.8, i100=0.85)
    score, threshold = normalised([series(), series()], [good, bad], STANDARD)
    assert threshold == 0.8
    assert score == pytest.approx(100)  # index 100 lies within the probation


def test_nothing_counts_in_the_probation() -> None:
    assert series().probation == 150
    assert series(20_000, ()).probation == 750
    found = hits(series(), np.ones(1000, bool))
    assert (found.true, found.missed, found.delay) == (1, 0, 0.0)
    assert found.false == 1000 - 150 - 100


def test_hits_and_misses_are_told_by_window() -> None:
    one = series(1000, ((400, 449), (700, 749)))
    found = hits(one, scores(1000, i410=1, i420=1, i600=1) > 0)
    assert (found.windows, found.true, found.false, found.missed) == (2, 1, 1, 1)
    assert found.delay == 10.0


def test_it_reads_nabs_folder_at_any_depth(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "realAWSCloudwatch"
    folder.mkdir(parents=True)
    rows = [f"2014-02-14 14:{minute:02}:00,{minute}" for minute in range(0, 60, 5)]
    (folder / "cpu.csv").write_text("\n".join(["timestamp,value", *rows]))
    spans = [["2014-02-14 14:10:00.000000", "2014-02-14 14:20:00.000000"]]
    (tmp_path / "combined_windows.json").write_text(
        json.dumps({"realAWSCloudwatch/cpu.csv": spans})
    )
    (found,) = read(tmp_path)
    assert found.name == "cpu"
    assert found.windows == ((2, 4),)
    assert found.value.tolist() == list(range(0, 60, 5))
    assert np.diff(found.time).tolist() == [300.0] * 11


def test_a_folder_without_series_is_an_error_that_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"neither windows\.json nor combined_windows\.json"):
        read(tmp_path)
    (tmp_path / "windows.json").write_text("{}")
    with pytest.raises(UsageError, match="holds no series"):
        read(tmp_path)
    with pytest.raises(UsageError, match="not a folder"):
        anomalies.main(["--data", str(tmp_path / "none")])


def test_made_up_series_are_the_same_for_one_seed_and_have_windows() -> None:
    first, again, other = corpus(1, 1, 1500), corpus(1, 1, 1500), corpus(2, 1, 1500)
    assert len(first) == len(KINDS)
    assert all(np.array_equal(a.value, b.value) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a.value, b.value) for a, b in zip(first, other, strict=True))
    assert all(np.isfinite(one.value).all() and len(one) == 1500 for one in first)
    assert {one.name for one in first if not one.windows} == {"quiet_0"}


@pytest.mark.parametrize("detector", [WindowedGaussian(), EwmaZScore()])
def test_the_simple_detectors_see_what_is_plain(detector: anomalies.Scores) -> None:
    values = np.random.default_rng(0).standard_normal(1000)
    values[700] = 9.0
    found = [detector.handle(float(at), value) for at, value in enumerate(values.tolist())]
    assert int(np.argmax(found)) == 700
