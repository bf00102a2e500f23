"""Runs of tasks whose nodes have data of their own: what the plan becomes, the wait for rows."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedsight.cli.arriving import wait_for_rows
from fedsight.cli.placing import local_nodes
from fedsight.cli.plan_options import plan
from fedsight.cli.screen import Screen
from fedsight.config import RunSettings, Settings, load
from fedsight.errors import FedsightError, UsageError
from fedsight.federated.plan import Plan
from fedsight.telemetry.windows import LocalWindows
from tests.federated import placed
from tests.tasks import recorded
from tests.tasks.test_telemetry import window

TARGETS = "tests.federated.placed:TARGETS"


def asked(settings: RunSettings | None = None, *, here: bool = True, **given: Any) -> Plan:
    return plan(settings or RunSettings(), given, Path("no-windows"), here=here)


def test_a_task_says_how_it_is_trained_where_nobody_else_does(tmp_path: Path) -> None:
    data = str(recorded.write(tmp_path, "a", "b", "c"))
    found = asked(task="telemetry", data=data)
    assert (found.rounds, found.epochs, found.lr, found.batch_size) == (150, 1, 0.01, 64)
    assert (found.partition, found.nodes, found.columns) == ("own", 3, "value")
    assert Path(found.data).is_absolute()
    more = asked(RunSettings(rounds=7), task="telemetry", data=data, lr=0.5, nodes=2)
    assert (more.rounds, more.lr, more.nodes, more.epochs) == (7, 0.5, 2, 1)
    assert list(local_nodes(more)) == ["a", "b"]  # type: ignore[call-overload]
    assert asked(task="digits") == Plan(task="digits")
    assert local_nodes(Plan(nodes=5)) == 5


def test_a_task_of_ones_own_may_say_so_too(tmp_path: Path) -> None:
    found = asked(task=TARGETS, data=str(placed.folder(tmp_path, a=1.0, b=2.0)))
    assert (found.rounds, found.lr, found.nodes, found.partition) == (3, 0.5, 2, "own")


def test_of_nodes_behind_a_superlink_no_data_is_looked_for() -> None:
    found = asked(task="telemetry", here=False, engine="deployment", nodes=4)
    assert (found.nodes, found.partition, found.columns) == (4, "own", "")


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    data = str(recorded.write(tmp_path, "a"))
    for given, message in (
        ({"task": "telemetry", "data": data, "nodes": 2}, r"nodes is 2, but .* has data of 1: a"),
        ({"task": "digits", "data": data}, "task digits shares its own data out"),
        (
            {"task": "digits", "partition": "own"},
            "partition own needs a task whose nodes have data",
        ),
        ({"task": "telemetry", "data": str(tmp_path / "none")}, "no node has enough telemetry"),
        ({"task": "telemtry"}, "did you mean 'telemetry'"),
    ):
        with pytest.raises(UsageError, match=message):
            asked(**given)
    with pytest.raises(UsageError, match="task digits has none to choose from"):
        local_nodes(Plan(task="digits", partition="own", columns="a"))


def settings(folder: Path) -> Settings:
    return replace(load(None), data=folder)


def test_nobody_waits_for_what_is_recorded_or_shipped(tmp_path: Path) -> None:
    for given in ({"task": "digits"}, {"task": "telemetry", "data": str(tmp_path)}):
        wait_for_rows(settings(tmp_path), given, Screen())


def test_rows_are_shown_as_they_arrive_until_there_are_enough(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame, own = window(300), settings(tmp_path)
    with LocalWindows(own.windows_folder) as windows:
        windows.window("laptop").add_dataframe(frame.iloc[:200])
        windows.window("young").add_dataframe(frame.iloc[:20])

        def more() -> None:
            time.sleep(1.2)
            windows.window("laptop").add_dataframe(frame)

        thread = threading.Thread(target=more)
        thread.start()
        wait_for_rows(own, {"task": "telemetry"}, Screen())
        thread.join()
    said = capsys.readouterr().out
    assert "233 rows each, one every 3 s, about 12 minutes of history" in said
    assert "laptop 200 of 233 rows, young 20 of 233 rows" in said
    assert "young is not in this run: 20 of 233 rows" in said


def test_where_no_row_comes_it_says_how_they_would(tmp_path: Path) -> None:
    with pytest.raises(FedsightError, match=r"no telemetry came in .* s: .*fedsight serve agent"):
        wait_for_rows(settings(tmp_path), {"task": "telemetry"}, Screen(), quiet=0.5)
