"""Windows on disk: several processes, restarts, kills, and files that are not as they were."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from fedsight.telemetry.windows import LocalWindows, WindowError, WindowTimeoutError
from fedsight.telemetry.windows.local import FILE
from tests.telemetry.windows.frames import INTERVAL, NOW, SECOND, at, rows, same

#: A writer of its own: after each acknowledged row it says which.
WRITER = """
    import sys
    from pathlib import Path
    from fedsight.telemetry.windows import LocalWindows
    from tests.telemetry.windows.frames import INTERVAL, NOW, at, rows

    folder, first, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    windows = LocalWindows(folder, 1000, INTERVAL, now=lambda: NOW + 10**13)
    for slot in range(first, last):
        for node in ("a", "b"):
            windows.window(node).add_dataframe(rows(at(slot), x=[slot], y=[-slot]))
        print(slot, flush=True)
"""


def writer(folder: Path, first: int, last: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(folder), str(first), str(last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def opened(folder: Path, **kinds: int) -> LocalWindows:
    return LocalWindows(folder, 1000, INTERVAL, now=lambda: NOW, **kinds)


def test_reading_makes_no_file(tmp_path: Path) -> None:
    with opened(tmp_path / "w") as windows:
        assert windows.nodes() == []
        assert windows.interval_ns == INTERVAL
        with pytest.raises(WindowTimeoutError):
            windows.window("a").wait_for_dataframe(0.15)
    assert not (tmp_path / "w").exists()


def test_what_was_added_is_there_after_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path) as windows:
        windows.window("a").add_dataframe(rows(at(0, 1), x=[1, 2]))
    with opened(tmp_path) as windows:
        assert same(windows.window("a").get_dataframe(), rows(at(0, 1), x=[1, 2]))
        windows.window("a").add_dataframe(rows(at(2.3), x=[3]))
        assert list(windows.window("a").get_dataframe().index) == at(0, 1, 2)


def test_a_smaller_window_lets_the_oldest_go(tmp_path: Path) -> None:
    with opened(tmp_path) as windows:
        windows.window("a").add_dataframe(rows(at(*range(50)), x=[0] * 50))
    with LocalWindows(tmp_path, 5, INTERVAL, now=lambda: NOW) as windows:
        windows.window("a").add_dataframe(rows(at(50), x=[0]))
        assert list(windows.window("a").get_dataframe().index) == at(*range(46, 51))


@pytest.mark.slow
def test_readers_in_other_processes_see_rows_as_they_come(tmp_path: Path) -> None:
    with opened(tmp_path) as windows:
        window = windows.window("b")
        process = writer(tmp_path, 0, 30)
        df = window.wait_for_dataframe(30)
        while len(df) < 30:
            df = window.wait_for_dataframe(30)
        assert process.wait(30) == 0
        assert process.stdout is not None
        process.stdout.close()
    assert same(df, rows(at(*range(30)), x=list(range(30)), y=[-each for each in range(30)]))


@pytest.mark.slow
def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    processes = [writer(tmp_path, 0, 40), writer(tmp_path, 20, 60)]
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    with opened(tmp_path) as windows:
        df = windows.window("a").get_dataframe()
        figures = windows.figures("a")
    assert sorted(df["c.x"].tolist()) == [float(each) for each in range(60)]
    assert figures is not None
    assert figures.conflicting == 0


@pytest.mark.slow
def test_a_killed_writer_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    """`FEDSIGHT_KILLS` says how often; each life goes on where the last one was killed."""
    moments, done = random.Random(7), -1
    for _ in range(int(os.environ.get("FEDSIGHT_KILLS", "3"))):
        process = writer(tmp_path, done + 1, 10**6)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(moments.uniform(0, 0.2))
        process.send_signal(signal.SIGKILL)
        acknowledged = process.stdout.read().split("\n")[:-1]
        process.stdout.close()
        process.wait(10)
        with opened(tmp_path) as windows:
            df = windows.window("b").get_dataframe()
        last = int(acknowledged[-1]) if acknowledged else done + 1
        held = df["c.x"].tolist()
        assert held == [float(each) for each in range(int(held[0]), int(held[0]) + len(held))]
        assert held[-1] in (last, last + 1)  # the last may be there and not yet be acknowledged
        assert (df["c.y"] == -df["c.x"]).all()
        done = int(held[-1])


def test_slots_of_another_interval_are_told(tmp_path: Path) -> None:
    with opened(tmp_path) as windows:
        windows.window("a").add_dataframe(rows(at(0), x=[1]))
    with LocalWindows(tmp_path, 1000, 5 * SECOND) as windows:
        assert windows.interval_ns == INTERVAL
        assert len(windows.window("a").get_dataframe()) == 1
        with pytest.raises(WindowError, match=r"slots of 3 s; set windows\.interval_seconds"):
            windows.window("a").add_dataframe(rows(at(1), x=[1]))


def test_a_full_store_takes_a_new_node_for_one_that_was_silent_for_a_day(tmp_path: Path) -> None:
    moment = NOW
    windows = LocalWindows(tmp_path, 1000, INTERVAL, max_nodes=2, now=lambda: moment)
    windows.window("a").add_dataframe(rows(at(0), x=[1]))
    moment += 3600 * SECOND
    windows.window("b").add_dataframe(rows(at(0), x=[1]))
    moment += 22 * 3600 * SECOND
    with pytest.raises(WindowError, match="windows of 2 nodes already; node c gets none"):
        windows.window("c").add_dataframe(rows(at(0), x=[1]))
    windows.window("a").add_dataframe(rows(at(0), x=[1]))  # nothing new: it stays silent
    moment += 2 * 3600 * SECOND
    windows.window("c").add_dataframe(rows(at(0), x=[1]))
    assert windows.nodes() == ["b", "c"]
    assert windows.window("a").get_dataframe().empty
    windows.close()


def test_a_file_that_was_moved_away_is_made_anew(tmp_path: Path) -> None:
    with opened(tmp_path) as writing, opened(tmp_path) as reading:
        window = reading.window("a")
        writing.window("a").add_dataframe(rows(at(0), x=[1]))
        assert len(window.get_dataframe()) == 1
        for path in tmp_path.glob(f"{FILE}*"):
            path.unlink()
        assert window.get_dataframe().empty
        writing.window("a").add_dataframe(rows(at(5), x=[1]))
        assert list(window.get_dataframe().index) == at(5)


#: Reads a file, and holds it for as long as standard input is open.
HOLDER = """
    import sqlite3, sys
    db = sqlite3.connect(sys.argv[1])
    print(db.execute("SELECT count(*) FROM row").fetchone()[0], flush=True)
    sys.stdin.read()
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["moved", "removed"])
def test_a_file_that_goes_while_another_process_reads_it_is_made_anew(
    tmp_path: Path, how: str
) -> None:
    with opened(tmp_path) as writing:
        window = writing.window("a")
        window.add_dataframe(rows(at(0, 1), x=[1, 2]))
        command = [sys.executable, "-c", textwrap.dedent(HOLDER), str(tmp_path / FILE)]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "2\n"
            if how == "moved":
                (tmp_path / FILE).rename(tmp_path / "elsewhere")
            else:
                (tmp_path / FILE).unlink()
            window.add_dataframe(rows(at(5, 6), x=[1, 2]))
            window.add_dataframe(rows(at(7), x=[3]))
            with opened(tmp_path) as reading:
                assert list(reading.window("a").get_dataframe().index) == at(5, 6, 7)
        assert list(window.get_dataframe().index) == at(5, 6, 7)
    with opened(tmp_path) as reading:
        assert list(reading.window("a").get_dataframe().index) == at(5, 6, 7)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"this is no database" * 100)
    with opened(tmp_path) as windows:
        with pytest.raises(WindowError, match=rf"cannot read the windows in {tmp_path / FILE}"):
            windows.nodes()
        with pytest.raises(WindowError, match="cannot write the windows in"):
            windows.window("a").add_dataframe(rows(at(0), x=[1]))


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        opened(tmp_path / "file" / "w") as windows,
        pytest.raises(WindowError, match="Not a directory"),
    ):
        windows.window("a").add_dataframe(rows(at(0), x=[1]))


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    db = sqlite3.connect(tmp_path / FILE)
    db.execute("PRAGMA user_version=99")
    db.close()
    with opened(tmp_path) as windows, pytest.raises(WindowError, match="by a newer fedsight"):
        windows.window("a").add_dataframe(rows(at(0), x=[1]))


def test_threads_share_a_store(tmp_path: Path) -> None:
    with opened(tmp_path) as windows:

        def add(first: int) -> None:
            window = windows.window("a")
            for slot in range(first, 40, 4):
                window.add_dataframe(rows(at(slot), x=[slot]))
                window.get_dataframe()

        windows.window("a").add_dataframe(rows(at(0), x=[0]))
        threads = [threading.Thread(target=add, args=(first,)) for first in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert windows.window("a").get_dataframe()["c.x"].tolist() == list(range(40))


def test_what_is_wrong_with_rows_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with LocalWindows(tmp_path, 2, INTERVAL, now=lambda: NOW) as windows:
        window = windows.window("a")
        window.add_dataframe(rows(at(5, 6), x=[1, 2]))
        assert caplog.messages == []
        for value in (3.0, 4.0):
            window.add_dataframe(rows(at(6), x=[value]))
            window.add_dataframe(rows(at(1), x=[value]))
            window.add_dataframe(pd.concat([rows([NOW + 61 * SECOND], x=[value])]))
            window.add_dataframe(rows(at(6), y=[value]))
    said = [message.split(": ", 1)[1][:30] for message in caplog.messages]
    assert said == [
        "1 values came for slots that h",
        "1 rows are older than its wind",
        "1 rows are over 60 s in the fu",
        "its window has new columns, wi",
    ]


def test_reading_and_adding_are_fast(tmp_path: Path) -> None:
    """Generous bounds: 300 rows of 20 columns, on a machine that does other things too."""
    names = [f"m{number}" for number in range(20)]
    with LocalWindows(tmp_path, 300, INTERVAL, now=lambda: NOW + 10**13) as windows:
        window = windows.window("a")
        window.add_dataframe(rows(at(*range(300)), **{name: [1.0] * 300 for name in names}))
        began = time.perf_counter()
        for slot in range(300, 320):
            window.add_dataframe(rows(at(slot), **{name: [1.0] for name in names}))
        added = time.perf_counter()
        for _ in range(20):
            window.get_dataframe()
        read = time.perf_counter()
    assert (added - began) / 20 < 0.03
    assert (read - added) / 20 < 0.02
