"""From rows to examples: real units, no leak, no gap crossed, errors that name what is wrong."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from torch.utils.data import TensorDataset

from fedsight.errors import SeriesError, UsageError
from fedsight.forecast.derived import chosen, derived
from fedsight.forecast.model import ModelShape
from fedsight.forecast.processor import Processor, prepared, rows_needed
from fedsight.forecast.sequences import Split

SECOND = 10**9
SHAPE = ModelShape(("load",), horizon=5)
PREFIX = "scaphandre-metrics.scaph_host_"


def series(values: np.ndarray) -> pd.DataFrame:
    time = pd.Index(np.arange(len(values), dtype=np.int64) * 3 * SECOND, name="time")
    return pd.DataFrame({"load": values}, index=time)


def noise(count: int = 500) -> np.ndarray:
    return np.random.default_rng(5).standard_normal(count).cumsum()


def telemetry(count: int = 300) -> pd.DataFrame:
    table = series(2 + np.sin(np.arange(count)))
    table.columns = pd.Index([f"{PREFIX}load_avg_one"])
    table[f"{PREFIX}power_microwatts"] = 35e6
    table[f"{PREFIX}memory_total_bytes"] = 8e9
    table[f"{PREFIX}memory_available_bytes"] = 3e9
    return table


def test_derived_columns_are_in_watts_load_and_megabytes() -> None:
    row = derived(telemetry()).iloc[1]
    assert row["timestamp"] == 3.0
    assert row["power_consumption"] == 35.0
    assert row["cpu_usage"] == pytest.approx(2 + np.sin(1))
    assert row["memory_usage"] == 5000.0


def test_aliases_find_their_column_and_what_is_missing_is_named() -> None:
    assert chosen(telemetry(), ("ram_usage", "cpu_consumption")).iloc[0].tolist() == [5000.0, 2.0]
    with pytest.raises(SeriesError, match=r"no column temperature; there are .*cpu_usage"):
        chosen(telemetry(), ("temperature",))


def test_nothing_of_what_comes_later_is_in_what_was_fitted() -> None:
    values = noise()
    changed = values.copy()
    changed[400:] = 1e6
    one, other = (prepared(series(each), SHAPE) for each in (values, changed))
    assert np.array_equal(one.scale.mean, other.scale.mean)
    assert np.array_equal(one.scale.sd, other.scale.sd)
    for part in ("training", "validation"):
        before, after = getattr(one, part), getattr(other, part)
        assert before.inputs.equal(after.inputs)
        assert before.targets.equal(after.targets)
    assert not one.test.targets.equal(other.test.targets)


def test_targets_stay_within_their_part_and_the_first_comes_right_after_the_window() -> None:
    one = prepared(series(noise()), SHAPE)
    assert one.training.origins[[0, -1]].tolist() == [29, 344]
    assert one.validation.origins[[0, -1]].tolist() == [349, 394]
    assert one.test.origins[[0, -1]].tolist() == [399, 494]
    part = one.training
    real = one.scale.real(part.windows.back(part.targets.numpy()[..., None].astype(float))[..., 0])
    expected = one.values[part.origins[:, None] + np.arange(1, 6)]
    np.testing.assert_allclose(real, expected, rtol=1e-5, atol=1e-5)


def test_no_sequence_crosses_a_gap_or_holds_what_was_not_measured() -> None:
    values = noise()
    values[200] = np.nan
    table = series(values)
    table = table.drop(table.index[100:103])
    one = prepared(table, SHAPE)
    # Three rows are gone, then the unmeasured one stands at 197.
    covered = {int(row) for at in one.training.origins for row in range(at - 29, at + 6)}
    assert 197 not in covered
    assert not any(at - 29 < 100 <= at + 5 for at in one.training.origins)
    assert np.isfinite(one.training.inputs.numpy()).all()


def test_what_nothing_can_be_learned_from_is_named() -> None:
    needed = rows_needed(SHAPE, Split())
    assert needed == 50
    prepared(series(noise(needed)), SHAPE)
    with pytest.raises(SeriesError, match=r"49 rows are too few: .* need 50"):
        prepared(series(noise(needed - 1)), SHAPE)
    with pytest.raises(SeriesError, match="load is 4 in all 350 rows"):
        prepared(series(np.full(500, 4.0)), SHAPE)
    holes = noise()
    holes[::20] = np.nan
    with pytest.raises(
        SeriesError, match="training part has no 35 rows in a row: there are 24 gap"
    ):
        prepared(series(holes), SHAPE)


def test_a_processor_gives_loaders_as_icos_fl_has_them() -> None:
    made = Processor(telemetry(), time_step=10, metric="cpu_consumption", batch_size=16)
    train_loader, val_loader, train_set, val_set = made.create_data_loaders()
    assert isinstance(train_set, TensorDataset)
    assert isinstance(val_set, TensorDataset)
    assert (len(train_set), len(val_set)) == (210, 60)
    assert [tuple(each.shape) for each in next(iter(train_loader))] == [(16, 10, 1), (16, 1, 1)]
    assert len(list(val_loader)) == 4
    assert made.scale.mean[0] == pytest.approx(2, abs=0.02)
    with pytest.raises(UsageError, match="train_ratio=1"):
        Processor(telemetry(), train_ratio=1)


def test_a_split_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(UsageError, match="training=80, validation=30"):
        Split(80, 30)


def test_a_column_goes_by_its_whole_name_where_its_ending_does_not_tell() -> None:
    table = series(noise()).rename(columns={"load": "cpu.user"})
    table["disk.user"] = -table["cpu.user"]
    found = chosen(table, ("disk.user", "cpu.user"))
    assert list(found.columns) == ["disk.user", "cpu.user"]
    assert (found["disk.user"] == -found["cpu.user"]).all()
    assert "user" not in derived(table)
    with pytest.raises(SeriesError, match=r"no column user; there are cpu\.user, disk\.user"):
        chosen(table, ("user",))


def test_differences_too_small_to_square_are_named() -> None:
    with pytest.raises(SeriesError, match="a constant cannot be learned"):
        prepared(series(1e-200 * noise()), SHAPE)
