"""An hour of telemetry in a few seconds, by OTLP, while what keeps it is killed."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from fedsight.telemetry.windows import LocalWindows, WindowError
from fedsight.telemetry.windows.dataclay_windows import DataClayWindows
from tests.telemetry.bridge.asked import metrics
from tests.telemetry.bridge.bridges import Bridge
from tests.telemetry.windows.dataclay_servers import LOOPBACK, DataClay

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

KILLS = int(os.environ.get("FEDSIGHT_KILLS", "2"))
STEP = 3 * 10**9
HOUR = 1200
SCRAPES = 5
METRIC = "scaph_host_load_avg_one"
COLUMN = f"scaphandre-metrics.{METRIC}"
NODES = ("edge-1", "edge-2")


def batch(node: str, first: int, begin: int) -> bytes:
    """Some scrapes of a node, as an agent sends them."""
    request, found = metrics({"service.name": "scaphandre-metrics", "fedsight.node": node})
    points = found.add(name=METRIC).gauge.data_points
    for slot in range(first, first + SCRAPES):
        points.add(time_unix_nano=begin + slot * STEP, as_double=float(slot))
    return bytes(request.SerializeToString())


def test_a_bridge_and_dataclay_are_killed_in_the_middle_of_an_hour(tmp_path: Path) -> None:
    dataclay = DataClay(tmp_path / "dataclay")
    data = tmp_path / "data"
    data.mkdir()
    (data / "fedsight.toml").write_text(
        f'[windows]\nstore = "dataclay"\ndataclay_port = {dataclay.port}\ndataclay_seconds = 1.0\n'
    )
    begin = time.time_ns() - HOUR * STEP
    moments = random.Random(5).sample(range(100, HOUR - 100, SCRAPES), 2 * KILLS)
    bridge = Bridge(data, "--forward", "nothing")
    try:
        for slot in range(0, HOUR, SCRAPES):
            if slot in moments[:KILLS]:
                dataclay.kill_backend()
            if slot in moments[KILLS:]:
                bridge.kill()
                bridge = Bridge(data, "--forward", "nothing")
            if slot - 40 in moments[:KILLS]:
                dataclay.restart_backend()
            for node in NODES:
                bridge.export("metrics", batch(node, slot, begin))  # raises unless acknowledged
        copy = LocalWindows(tmp_path / "none")
        with DataClayWindows(LOOPBACK, dataclay.port, copy, 10.0) as windows:
            for node in NODES:
                assert last_rows(windows, node) == [float(slot) for slot in range(900, HOUR)]
    finally:
        bridge.kill()
        dataclay.close()


def last_rows(windows: DataClayWindows, node: str) -> list[float]:
    """What a reader finds once everything is there; half a minute is given."""
    found: list[float] = []
    for _ in range(150):
        try:
            found = windows.window(node).get_dataframe()[COLUMN].tolist()
        except (WindowError, KeyError):
            found = []
        if found and found[-1] == HOUR - 1:
            break
        time.sleep(0.2)
    return found
