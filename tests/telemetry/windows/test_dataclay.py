"""Windows in a real dataClay: the same contract, and nothing is lost while it is away."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedsight.config.windows import WindowSettings
from fedsight.telemetry.windows import LocalWindows, WindowError
from fedsight.telemetry.windows.dataclay_windows import DataClayWindows
from fedsight.telemetry.windows.objects import PREFIX, LostError
from fedsight.telemetry.windows.opening import opened
from tests.cli.command import fedsight
from tests.telemetry.windows.dataclay_servers import LOOPBACK, DataClay
from tests.telemetry.windows.frames import INTERVAL, NOW, at, rows, same
from tests.telemetry.windows.keeping import WindowsContract

pytestmark = pytest.mark.slow

NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def dataclay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataClay]:
    server = DataClay(tmp_path_factory.mktemp("dataclay"))
    yield server
    server.close()


@pytest.fixture(scope="module")
def windows(
    dataclay: DataClay, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DataClayWindows]:
    copy = LocalWindows(tmp_path_factory.mktemp("copy"), 10, INTERVAL, now=lambda: NOW)
    # The first call has the backend import the class, and pandas with it.
    with DataClayWindows(LOOPBACK, dataclay.port, copy, 30.0) as windows:
        yield windows


@pytest.fixture
def hasty(dataclay: DataClay, tmp_path: Path) -> Iterator[DataClayWindows]:
    """Windows that wait for two seconds; others had the backend import the class."""
    copy = LocalWindows(tmp_path / "hasty", 10, INTERVAL, now=lambda: NOW)
    with DataClayWindows(LOOPBACK, dataclay.port, copy, 2.0) as windows:
        yield windows


@pytest.fixture
def node() -> str:
    return f"edge-{next(NUMBERS)}"


def read_when_back(windows: DataClayWindows, node: str, count: int) -> list[int]:
    """The times of the window once it has so many rows; half a minute is given."""
    times: list[int] = []
    for _ in range(150):
        try:
            times = windows.window(node).get_dataframe().index.tolist()
        except WindowError:
            times = []
        if len(times) >= count:
            break
        time.sleep(0.2)
    return times


class TestDataClayWindows(WindowsContract):
    """Everything that windows on disk do, too."""


def test_a_killed_backend_costs_no_row(
    dataclay: DataClay,
    hasty: DataClayWindows,
    node: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    window = hasty.window(node)
    window.add_dataframe(rows(at(0, 1), a=[0, 1]))
    dataclay.kill_backend()
    began = time.monotonic()
    assert window.add_dataframe(rows(at(2), a=[2])).rows == 1  # acknowledged: it is on disk
    assert window.add_dataframe(rows(at(3), a=[3])).rows == 1
    with pytest.raises(WindowError, match=rf"dataClay at 127.0.0.1:{dataclay.port} "):
        window.get_dataframe()
    assert time.monotonic() - began < 20
    assert [message for message in caplog.messages if "rows wait on disk" in message]
    dataclay.restart_backend()
    assert read_when_back(hasty, node, 4) == at(0, 1, 2, 3)
    window.add_dataframe(rows(at(4), a=[4]))
    assert same(window.get_dataframe(), rows(at(0, 1, 2, 3, 4), a=[0, 1, 2, 3, 4]))
    assert "dataClay answers again and has all rows" in caplog.messages


def test_a_window_that_dataclay_lost_is_made_anew(
    dataclay: DataClay, hasty: DataClayWindows, node: str
) -> None:
    window = hasty.window(node)
    window.add_dataframe(rows(at(0, 1), a=[0, 1]))
    dataclay.kill_backend()
    for path in dataclay.storage.iterdir():
        if path.name != "BACKEND_ID":
            path.write_bytes(path.read_bytes()[:20])  # killed while it was writing
    dataclay.restart_backend()
    window.add_dataframe(rows(at(2), a=[2]))
    assert read_when_back(hasty, node, 3) == at(0, 1, 2)


def test_a_window_that_dataclay_cannot_read_is_lost_to_us_too(
    windows: DataClayWindows, node: str
) -> None:
    windows.window(node).add_dataframe(rows(at(0), a=[0]))
    with pytest.raises(LostError, match="met a fault"):
        windows.objects.call(node, "add", b"no rows", 10, INTERVAL, NOW)


def test_a_bridge_that_starts_anew_brings_what_its_last_life_did_not(
    dataclay: DataClay, windows: DataClayWindows, tmp_path: Path
) -> None:
    left, other = f"left-{next(NUMBERS)}", f"other-{next(NUMBERS)}"
    copy = LocalWindows(tmp_path, 10, INTERVAL, now=lambda: NOW)
    copy.window(left).add_dataframe(rows(at(0, 2), a=[0, 2]))
    copy.close()
    anew = DataClayWindows(LOOPBACK, dataclay.port, copy, 30.0)
    anew.window(other).add_dataframe(rows(at(5), a=[5]))
    assert read_when_back(windows, left, 2) == at(0, 2)
    assert read_when_back(windows, other, 1) == at(5)
    anew.close()


def test_the_command_reads_them(dataclay: DataClay, windows: DataClayWindows, node: str) -> None:
    windows.window(node).add_dataframe(rows(at(0, 3), a=[0, 3]))
    there = {"FEDSIGHT_WINDOWS_STORE": "dataclay"}
    there["FEDSIGHT_WINDOWS_DATACLAY_PORT"] = str(dataclay.port)
    there["FEDSIGHT_WINDOWS_DATACLAY_SECONDS"] = "30"
    done = fedsight(dataclay.storage / "none", "windows", "show", node, "--json", **there)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["rows"] == 2


def test_the_settings_choose_it(dataclay: DataClay, tmp_path: Path) -> None:
    settings = WindowSettings(store="dataclay", dataclay_port=dataclay.port, dataclay_seconds=30)
    with opened(settings, tmp_path) as found:
        assert isinstance(found, DataClayWindows)
        assert found.interval_ns == INTERVAL
        assert not [name for name in found.nodes() if name.startswith(PREFIX)]
    assert isinstance(opened(WindowSettings(), tmp_path), LocalWindows)


def test_a_node_that_gives_way_goes_from_dataclay_too(dataclay: DataClay, tmp_path: Path) -> None:
    moment = NOW
    copy = LocalWindows(tmp_path, 10, INTERVAL, max_nodes=1, now=lambda: moment)
    with DataClayWindows(LOOPBACK, dataclay.port, copy, 30.0) as windows:
        windows.window("first").add_dataframe(rows(at(0), a=[0]))
        moment += 2 * 86_400 * 10**9
        windows.window("second").add_dataframe(rows(at(0), a=[0]))
        assert windows.nodes() == ["second"]
