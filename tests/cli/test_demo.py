"""`fedsight demo telemetry`: one machine, all parts, and nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fedsight.cli.demo import foreseen
from fedsight.cli.services import Service, port_near
from fedsight.config import LOOPBACK
from fedsight.door.serving import listening
from fedsight.errors import FedsightError
from fedsight.forecast import generated
from fedsight.telemetry.windows import LocalWindows

LIVE = "live forecasts at"
INTERVAL_NS = 500_000_000


def test_generated_rows_are_a_function_of_node_and_time() -> None:
    times = np.arange(50, dtype=np.int64) * 3 * 10**9
    whole = generated.rows(1, times)
    assert whole.iloc[20:].equals(generated.rows(1, times[20:]))
    assert not whole.equals(generated.rows(2, times))
    power = whole["scaphandre-metrics.scaph_host_power_microwatts"] / 1e6
    assert power.between(generated.IDLE_WATTS, generated.FULL_WATTS).all()
    available = whole["scaphandre-metrics.scaph_host_memory_available_bytes"]
    assert available.between(0, generated.MEMORY_BYTES).all()


def test_a_forecast_is_said_in_its_units_with_its_interval() -> None:
    levels = {"0.1": [1.0, 19.0], "0.5": [1.0, 21.5], "0.9": [1.0, 25.0]}
    found = {
        "node": "edge-1",
        "model": "r-1/20",
        "step_seconds": 3.0,
        "horizon": 100,
        "forecasts": [
            {
                "metric": "power_consumption",
                "unit": "W",
                "quantiles": levels,
                "observed": {"values": [20.0, None]},
            },
            {"metric": "x", "unit": None, "quantiles": levels, "observed": {"values": []}},
        ],
    }
    assert foreseen(found) == [
        "edge-1 in 5.0 minutes, by model r-1/20:",
        "  power consumption  now 20 W, then 21.5 (19 to 25)",
        "  x                  now unknown, then 21.5 (19 to 25)",
    ]


def test_a_port_that_somebody_has_is_left_to_them() -> None:
    with listening(LOOPBACK, 0) as taken:
        port = taken.getsockname()[1]
        assert port_near(port) not in {0, port}
    assert port_near(port) == port


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_a_service_that_cannot_start_says_why_and_one_that_died_is_started_again(
    tmp_path: Path,
) -> None:
    wrong = Service("exporter", {"FEDSIGHT_EXPORTER_PORT": "many"}, tmp_path)
    with pytest.raises(FedsightError, match=r"serve exporter did not start: .*EXPORTER_PORT must"):
        wrong.start()
    settings = {"FEDSIGHT_EXPORTER_PORT": "0", "FEDSIGHT_DATA": str(tmp_path)}
    service = Service("exporter", settings, tmp_path)
    try:
        service.start()
        assert service.look() is None
        assert service.child is not None
        first = service.child.pid
        os.kill(first, signal.SIGKILL)
        service.child.wait(10)
        assert service.look() == (
            f"serve exporter ended by itself; it is started again, see {service.log}"
        )
        time.sleep(0.6)
        assert service.look() is None
        assert service.child is not None
        assert service.child.pid != first
    finally:
        service.stop()


def processes(data: Path) -> set[int]:
    """Those that were told of this data directory, or of one within, and that live."""
    found = set()
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if f"FEDSIGHT_DATA={data}".encode() in (place / "environ").read_bytes():
                found.add(int(place.name))
        except OSError:  # it has just ended, or is not ours
            continue
    return found


def started(data: Path) -> subprocess.Popen[str]:
    words = ["demo", "telemetry", "--nodes", "2", "--rounds", "2", "--interval", "0.5"]
    # Where many tests run at once, the power of a busy machine is pinned at its limit.
    words += ["--columns", "cpu_usage,memory_usage", "--port", "0"]
    return subprocess.Popen(
        [sys.executable, "-m", "fedsight", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "FEDSIGHT_DATA": str(data)},
        text=True,
    )


@pytest.mark.slow
@pytest.mark.timeout(170)
def test_it_ends_in_a_live_forecast_of_this_host_and_leaves_nothing(tmp_path: Path) -> None:
    said = list[str]()
    with started(tmp_path) as demo:
        try:
            assert demo.stdout is not None
            for line in demo.stdout:
                said.append(line)
                if line.startswith(LIVE):
                    break
            up = processes(tmp_path)
            for _ in range(2):  # people are impatient
                demo.send_signal(signal.SIGINT)
                time.sleep(0.05)
            said += demo.stdout.readlines()
            assert demo.wait(60) == 0, said
        finally:
            demo.kill()
    whole = "".join(said)
    assert len(up) == 6, whole
    assert not processes(tmp_path)
    host = re.escape(socket.gethostname())
    assert re.search(rf"^{host} in 0\.8 minutes, by model r-\w+/2:$", whole, re.MULTILINE), whole
    for name, unit in (("cpu usage", "load"), ("memory usage", "MB")):
        assert re.search(rf"^  {name} +now [\d.e+]+ {unit}, then ", whole, re.MULTILINE), whole
    assert "generated-1 to generated-2; their telemetry is made by a formula" in whole
    assert {path.name for path in tmp_path.iterdir()} == {"demo-telemetry"}
    (folder,) = (tmp_path / "demo-telemetry").glob("windows-*s")
    with LocalWindows(folder, interval_ns=INTERVAL_NS) as windows:
        found = windows.window("generated-1").get_dataframe()
    # What came by OTLP is what the formula gives, up to the last interval but two.
    made = generated.rows(1, found.index.to_numpy(np.int64))
    assert len(found) > 280
    assert np.diff(found.index).max() == INTERVAL_NS
    assert np.allclose(found[made.columns], made)


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_ctrl_c_before_it_is_up_interrupts_and_leaves_nothing(tmp_path: Path) -> None:
    with started(tmp_path) as demo:
        try:
            assert demo.stdout is not None
            assert demo.stdout.readline().startswith("dashboard at")
            for pause in (0.1, 0.2, 0.0):  # in the middle of starting the services, and of stopping
                demo.send_signal(signal.SIGINT)
                time.sleep(pause)
            said = demo.stdout.read()
            assert demo.wait(30) == 1, said
        finally:
            demo.kill()
    assert said == "fedsight: interrupted\n"
    assert not processes(tmp_path)
