"""The task that learns on nodes' own telemetry: its data, its figures, and what it refuses."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from fedsight.errors import UsageError
from fedsight.forecast import places
from fedsight.forecast.derived import UNITS
from fedsight.tasks import Columned, Described, Partition, Placed, Recipe, Validated, defaults, load
from fedsight.tasks.telemetry import Telemetry
from fedsight.telemetry.windows import LocalWindows
from tests.tasks import recorded

VALUE = Telemetry().looking_at(["value"])


def part(source: Path, node: str) -> Partition:
    return Partition(0, 1, "own", node=node, source=str(source))


def test_it_is_built_in_and_says_how_it_is_trained() -> None:
    task = load("telemetry")
    for kind in (Placed, Validated, Columned, Described):
        assert isinstance(task, kind)
    assert task.held_out() is None
    assert defaults("telemetry")["rounds"] == 150
    assert load("telemetry", "cpu_usage, power_consumption").described()["metrics"] == [  # type: ignore[attr-defined]
        "cpu_usage",
        "power_consumption",
    ]


def test_files_are_nodes_by_their_names_and_their_columns_are_what_is_foreseen(
    tmp_path: Path,
) -> None:
    folder = recorded.write(tmp_path / "data", "b", "a.1")
    assert VALUE.nodes(str(folder)) == {
        "a.1": str(folder / "a.1.csv"),
        "b": str(folder / "b.csv"),
    }
    assert VALUE.columns(str(folder)) == ("value",)
    assert VALUE.columns("") == tuple(UNITS)
    one, whole = VALUE.data(part(folder / "b.csv", "b")), VALUE.data(part(folder, "b"))
    assert np.array_equal(one.values, whole.values)


def test_columns_of_an_exporter_become_what_is_derived_of_them(tmp_path: Path) -> None:
    name = "scaphandre-metrics.scaph_host_"
    (tmp_path / "a.csv").write_text(
        f"time_ns,{name}power_microwatts,{name}load_avg_one,{name}cpu_frequency\n1,2,3,4\n"
    )
    assert VALUE.columns(str(tmp_path)) == ("power_consumption", "cpu_usage")


def test_training_makes_it_better_on_what_it_is_not_trained_on(tmp_path: Path) -> None:
    data = VALUE.data(part(recorded.write(tmp_path, "a"), "a"))
    kept = VALUE.validation(data)
    model = VALUE.model(1)
    before = VALUE.evaluate(model, kept)
    VALUE.train(model, data, Recipe(10, 0.01, 0.0, 64), torch.Generator().manual_seed(0))
    after = VALUE.evaluate(model, kept)
    assert set(after) == {"loss", *VALUE.figures}
    assert after["loss"] < before["loss"]
    assert after["mase"] < before["mase"]


def test_mase_is_that_of_forecasts_in_real_units(tmp_path: Path) -> None:
    """It is that of the forecasts that whoever loads the model would make."""
    folder = recorded.write(tmp_path, "a")
    data = VALUE.data(part(folder, "a"))
    kept, model = VALUE.validation(data), VALUE.model(1)
    found = VALUE.evaluate(model, kept)
    horizon, shape = VALUE.shape.horizon, VALUE.shape
    with torch.inference_mode():
        median = kept.examples.windows.back(model(kept.examples.inputs).numpy())[..., 1]
    real = median * data.scale.sd + data.scale.mean
    truth = np.stack(
        [data.values[at + 1 : at + 1 + horizon] for at in kept.examples.origins.tolist()]
    )
    error = np.abs(real - truth).mean()
    trained = data.values[: 400 * 67 // 100]
    step = np.abs(np.diff(trained, axis=0)).mean()
    assert found["mase"] == pytest.approx(error / step, rel=0.02)
    assert shape.metrics == ("value",)


def test_no_figure_tells_a_nodes_scale(tmp_path: Path) -> None:
    """A node whose rows are 1000 times as large answers the same, whatever model it is asked of."""
    folder, names = recorded.write(tmp_path, "a"), ("a", "b")
    rows = [
        f"{recorded.FIRST + at * recorded.STEP},{5000 + 1000 * value}"
        for at, value in enumerate(recorded.values(0))
    ]
    (folder / "b.csv").write_text("time,value\n" + "\n".join(rows) + "\n")
    kept = [VALUE.validation(VALUE.data(part(folder, name))) for name in names]
    assert kept[1].unit == pytest.approx(1000 * kept[0].unit, rel=1e-6)
    small, large = (VALUE.evaluate(VALUE.model(1), each) for each in kept)
    assert large == pytest.approx(small, rel=1e-4)


def test_of_several_metrics_there_is_one_mase(tmp_path: Path) -> None:
    rows = [
        f"{recorded.FIRST + at * recorded.STEP},{value},{value * 2}"
        for at, value in enumerate(recorded.values(0))
    ]
    (tmp_path / "a.csv").write_text("time,low,high\n" + "\n".join(rows) + "\n")
    task = Telemetry().looking_at(VALUE.columns(str(tmp_path)))
    kept = task.validation(task.data(part(tmp_path, "a")))
    assert set(task.evaluate(task.model(0), kept)) == {"loss", "mase", "coverage"}


@pytest.mark.parametrize(
    ("rows", "validation"), [(234, 44), (300, 44), (500, 26), (650, 20), (4032, 20), (1, 44)]
)
def test_a_short_window_validates_on_a_larger_part(rows: int, validation: int) -> None:
    assert VALUE.split(rows).validation == validation


BAD = {
    "no rows": ("time,value\n", "0 rows are too few"),
    "too few rows": (
        "time,value\n" + "".join(f"{at},{at % 7}\n" for at in range(50)),
        "50 rows are too few: sequences of 30 rows and a horizon of 100 need 2",
    ),
    "constant": (
        "time,value\n" + "".join(f"{at},5\n" for at in range(400)),
        "value is 5 in all .* a constant cannot be learned",
    ),
    "a gap in the middle": (
        "time,value\n" + "".join(f"{at},{'' if at % 40 == 0 else at % 7}\n" for at in range(400)),
        "none is crossed or filled",
    ),
    "no such column": ("time,other\n1,2\n", "no column value; there are other"),
    "no times": ("value,other\n1,2\n", "needs a column timestamp"),
    "text": ("time,value\n1,hot\n", "holds something that is no number"),
    "nothing": ("", "is no readable CSV file"),
}


@pytest.mark.parametrize("what", BAD)
def test_rows_that_nothing_can_be_learned_from_are_refused_by_node(
    what: str, tmp_path: Path
) -> None:
    text, message = BAD[what]
    (tmp_path / "edge-1.csv").write_text(text)
    with pytest.raises(UsageError, match=f"node edge-1: .*{message}"):
        VALUE.data(part(tmp_path, "edge-1"))


def test_a_missing_value_leaves_a_gap_that_no_window_crosses(tmp_path: Path) -> None:
    lines = [f"{at},{'' if at == 150 else at % 7 + at % 3}\n" for at in range(700)]
    (tmp_path / "a.csv").write_text("time,value\n" + "".join(lines))
    data = VALUE.data(part(tmp_path, "a"))
    ends = data.training.origins
    assert not ((ends + 100 >= 150) & (ends - 29 <= 150)).any()
    assert len(data) > 100


def test_names_that_no_node_may_have_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no node has enough telemetry in .* --data DIR"):
        VALUE.nodes(str(tmp_path))
    with pytest.raises(UsageError, match="needs its nodes' data"):
        VALUE.nodes("")
    with pytest.raises(UsageError, match="a node must be called by"):
        VALUE.data(part(tmp_path, "../etc/passwd"))
    recorded.write(tmp_path, "fine")
    (tmp_path / "not a node.csv").write_text("time,value\n1,2\n")
    with pytest.raises(UsageError, match=r"not a node\.csv is called as no node may be"):
        VALUE.nodes(str(tmp_path))


def test_a_file_whose_first_line_names_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("time\n1\n")
    with pytest.raises(UsageError, match="must begin with a line of column names"):
        VALUE.columns(str(tmp_path))


def window(rows: int) -> pd.DataFrame:
    """Rows of an exporter's, the last one now."""
    end = time.time_ns()
    index = pd.Index(end - 3 * 10**9 * np.arange(rows)[::-1], name="time")
    load = recorded.values(0, rows)
    name = "scaphandre-metrics.scaph_host_"
    return pd.DataFrame(
        {
            f"{name}power_microwatts": load * 1e6,
            f"{name}load_avg_one": load / 10,
            f"{name}memory_total_bytes": 16e9,
            f"{name}memory_available_bytes": load * 1e8,
        },
        index=index,
    )


def test_windows_are_nodes_once_they_hold_enough(tmp_path: Path) -> None:
    task = Telemetry()
    with LocalWindows(tmp_path) as windows:
        windows.window("ready").add_dataframe(window(300))
        windows.window("young").add_dataframe(window(20))
    assert task.nodes(str(tmp_path)) == {"ready": str(tmp_path)}
    standing = task.standings(str(tmp_path))
    assert standing["ready"] == places.Standing(300, task.rows_needed(), None)
    assert standing["young"].lacking == f"20 of {task.rows_needed()} rows"
    data = task.data(part(tmp_path, "ready"))
    assert len(data) > 20
    assert len(data.validation) > 20
    with pytest.raises(UsageError, match="node young: 20 rows are too few"):
        task.data(part(tmp_path, "young"))
    with pytest.raises(UsageError, match="node nobody: it has no window"):
        task.data(part(tmp_path, "nobody"))


def test_a_node_keeps_its_scale_and_the_weights_of_its_mixture(tmp_path: Path) -> None:
    folder = recorded.write(tmp_path / "data", "a")
    data = VALUE.data(part(folder, "a"))
    kept = VALUE.own(data, VALUE.model(0))
    assert np.array_equal(kept["sd"], data.scale.sd)
    assert np.array_equal(kept["level"], data.scale.levels(VALUE.shape.rows))
    assert kept["share"].shape == (VALUE.shape.horizon, 1)
    assert ((kept["share"] >= 0) & (kept["share"] <= 1)).all()
