"""What the forecasting benchmark reads, and what it writes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from benchmarks.command import RESULTS
from benchmarks.forecast import _difference, _targets
from benchmarks.forecast_bounds import bounds
from benchmarks.forecast_nodes import CHOSEN, METRIC, UNSEEN, nodes, recorded
from benchmarks.forecast_rows import Row
from benchmarks.forecast_table import placed


def test_counters_of_a_recording_become_rates(tmp_path: Path) -> None:
    path = tmp_path / "recorded.csv"
    names = "time_ns,busy_seconds,all_seconds,load1,memory_total,memory_available"
    path.write_text(
        f"{names},disk_read,disk_written,net_in,net_out\n"
        "0,10,100,1,8e9,6e9,0,0,0,0\n"
        "2000000000,11,104,2,8e9,5e9,1000,3000,2000,0\n",
        encoding="utf-8",
    )
    found = {name: (unit, table[METRIC].tolist()) for name, (unit, table) in recorded(path).items()}
    assert found == {
        "cpu": ("%", [25.0]),
        "load": ("", [2.0]),
        "memory": ("MB", [3000.0]),
        "network": ("kB/s", [1.0]),
        "disk": ("kB/s", [2.0]),
    }


def test_every_row_of_the_test_part_with_its_steps_ahead_is_an_origin(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = [f"{at * 300_000_000_000},{rng.random():.4f}" for at in range(1200) if at != 1100]
    path = tmp_path / "ec2_cpu_utilization_x.csv"
    path.write_text("time_ns,value\n" + "\n".join(lines), encoding="utf-8")
    (node,) = nodes(CHOSEN, tmp_path, False)
    assert (node.at[0], node.at[-1]) == (958, 1098)
    assert node.came(node.at)[-1].tolist() == node.series[1099:].tolist()
    assert node.naive == pytest.approx(np.abs(np.diff(node.series[:959])).mean())


def test_a_gain_on_every_origin_is_above_the_noise_and_one_here_and_there_is_not() -> None:
    origins = np.arange(700)
    flat = Row([], np.ones((2, 700)))
    better = Row([], np.ones((2, 700)) - 0.1)
    now_and_then = Row([], np.ones((2, 700)) + np.where(origins < 350, 0.5, -0.51))
    assert _difference(better, flat)["high"] < 0
    gap = _difference(now_and_then, flat)
    assert gap["low"] < gap["mean"] < 0 < gap["high"]


def test_a_table_goes_between_its_marks() -> None:
    page = "a\n<!-- one -->\nold\n<!-- end -->\nb\n<!-- two -->\n<!-- end -->\n"
    found = placed(page, "one", "| new |")
    assert found == "a\n<!-- one -->\n\n| new |\n\n<!-- end -->\nb\n<!-- two -->\n<!-- end -->\n"
    assert placed(found, "one", "| new |") == found


def test_bounds_hold_for_nodes_that_nothing_was_chosen_on_too() -> None:
    kept = msgspec.json.decode((RESULTS / "forecast.json").read_bytes())
    found = _targets((CHOSEN, UNSEEN), kept["figures"], 1.0)
    first = list(bounds(kept["figures"][CHOSEN]))
    assert [each.what for each in found[: len(first)]] == [each.what for each in first]
    others = [each.what for each in found if each.what.startswith("unseen: ")]
    assert others == [f"unseen: {each.what}" for each in first]
    told = {each["what"]: each for each in kept["targets"]}
    for each in first:
        assert told[each.what]["value"] == pytest.approx(each.value, abs=1e-3)
        assert told[each.what]["met"] == each.met
