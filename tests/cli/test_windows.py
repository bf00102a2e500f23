"""`fedsight windows`: what it shows, and the exit code of the consumer that checks."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from pathlib import Path

import pandas as pd
import pytest

from fedsight.cli.outcome import run
from fedsight.telemetry.windows import LocalWindows
from tests.cli.command import fedsight, started

INTERVAL = 3_000_000_000
POWER = "scaphandre-metrics.scaph_host_power_microwatts"
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory, for commands in this process and in others."""
    monkeypatch.setenv("FEDSIGHT_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def filled(data: Path, node: str, slots: list[int], first: int) -> None:
    index = pd.Index([first + slot * INTERVAL for slot in slots], name="time", dtype="int64")
    df = pd.DataFrame({POWER: [float(slot) for slot in slots]}, index=index)
    with LocalWindows(data / "windows") as windows:
        windows.window(node).add_dataframe(df)


def windows(capsys: Captured, *words: str) -> tuple[int, str, str]:
    """A command in this process: its exit code and what it wrote."""
    code = run(["windows", *words])
    written = capsys.readouterr()
    return code, written.out, written.err


def test_where_nothing_is_yet_it_says_what_fills_it(data: Path, capsys: Captured) -> None:
    code, said, _ = windows(capsys, "list")
    assert code == 0
    assert said.startswith("no window has rows yet; `fedsight serve bridge` fills them")
    assert windows(capsys, "list", "--json")[1] == "[]\n"
    code, _, said = windows(capsys, "show", "edge-1")
    assert code == 2
    assert "node edge-1 has no window: no window has rows yet" in said
    code, _, said = windows(capsys, "follow", "--seconds", "0.1")
    assert code == 1
    assert "; waiting\nfedsight: nothing came in 0.1 s\n" in said
    assert not (data / "windows").exists()


def test_what_there_is_is_listed_and_shown(data: Path, capsys: Captured) -> None:
    first = time.time_ns() - 100 * INTERVAL
    filled(data, "edge-1", [0, 1, 2, 5, 6, 8], first)
    filled(data, "edge-2", [0], first)
    listed = windows(capsys, "list")[1]
    assert [line.split()[:2] for line in listed.splitlines()] == [
        ["node", "rows"],
        ["edge-1", "6"],
        ["edge-2", "1"],
    ]
    (one, _) = json.loads(windows(capsys, "list", "--json")[1])
    assert (one["node"], one["rows"], one["last"] - one["first"]) == ("edge-1", 6, 8 * INTERVAL)
    shown = windows(capsys, "show", "edge-1")[1]
    assert "rows      6, one in 3 s" in shown
    assert "gaps      3 slots in 2 gaps: 2 from " in shown
    line = next(line for line in shown.splitlines() if POWER in line)
    assert line.split()[1:] == ["6", "8", "0", "3.66667", "8"]
    told = json.loads(windows(capsys, "show", "edge-1", "--json")[1])
    assert [gap["missing"] for gap in told["gaps"]] == [2, 1]
    assert told["columns"][0]["max"] == 8.0
    missing = windows(capsys, "show", "edge-3")[2]
    assert "has no window; there are those of edge-1, edge-2" in missing
    assert windows(capsys, "show", "../x")[0] == 2


def test_a_person_reads_one_line_a_row(data: Path, capsys: Captured) -> None:
    filled(data, "edge-1", [0, 2], time.time_ns() - 100 * INTERVAL)
    code, said, _ = windows(capsys, "follow", "edge-1", "--seconds", "0")
    assert code == 0
    lines = [line.split("  ") for line in said.splitlines()]
    assert [line[1] for line in lines] == ["row", "gap", "row"]
    assert {line[0] for line in lines} == {"edge-1"}
    assert lines[2][3] == f"{POWER}=2"


@pytest.mark.slow
def test_what_comes_is_followed_and_checked(data: Path) -> None:
    first = time.time_ns() - 100 * INTERVAL
    process = started(data, "windows", "follow", "--json")
    assert process.stderr is not None
    assert process.stdout is not None
    assert "waiting" in process.stderr.readline()
    filled(data, "edge-1", [0, 1], first)
    lines = [json.loads(process.stdout.readline()) for _ in range(2)]
    assert [line["values"] for line in lines] == [{POWER: 0.0}, {POWER: 1.0}]
    filled(data, "edge-1", [4], first)
    gap, row = (json.loads(process.stdout.readline()) for _ in range(2))
    assert (gap["kind"], gap["missing"]) == ("gap", 2)
    assert (row["kind"], row["time"]) == ("row", first + 4 * INTERVAL)
    filled(data, "edge-1", [3], first)
    assert json.loads(process.stdout.readline())["time"] == first + 3 * INTERVAL
    assert json.loads(process.stdout.readline())["text"] == "1 of these rows came late"
    # Whoever writes past fedsight is found out.
    with sqlite3.connect(data / "windows" / "windows.sqlite") as db:
        db.execute("UPDATE row SET time = time + 1 WHERE time = ?", (first,))
        db.execute("UPDATE node SET version = version + 1")
    db.close()
    wrong = json.loads(process.stdout.readline())
    assert (wrong["kind"], wrong["text"]) == ("WRONG", "rows are not on slots of 3 s")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1, errors


@pytest.mark.slow
def test_a_store_that_is_away_is_one_sentence(data: Path) -> None:
    away = {"FEDSIGHT_WINDOWS_STORE": "dataclay", "FEDSIGHT_WINDOWS_DATACLAY_PORT": "1"}
    done = fedsight(data, "windows", "list", **away)
    assert done.returncode == 1
    assert done.stderr.startswith("fedsight: dataClay at 127.0.0.1:1 ")
    assert done.stderr.count("\n") == 1
