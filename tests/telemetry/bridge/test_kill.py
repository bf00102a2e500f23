"""kill -9 of a bridge under load: what it acknowledged is in the collector once, and in windows."""

from __future__ import annotations

import os
import random
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import pytest

from fedsight.collector.store.storefile import open_readonly
from fedsight.telemetry.bridge.grpc_door import SERVICES
from fedsight.telemetry.windows import LocalWindows
from tests.collector.server import Server
from tests.telemetry.bridge.asked import gauge, log
from tests.telemetry.bridge.bridges import Bridge, free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

KILLS = int(os.environ.get("FEDSIGHT_KILLS", "3"))
POINTS = 20
STEP = 3 * 10**9
METRIC = "scaph_host_load_avg_one"
SECONDS = 60.0


class Sender(threading.Thread):
    """Sends one request after another, each until it is acknowledged; notes what was.

    The next request is of the time one scrape later; every third brings a log record, too.
    """

    def __init__(self, target: str, node: str, begin: int) -> None:
        super().__init__(daemon=True)
        self.node = node
        self.times: list[int] = []
        self.logs: list[int] = []
        self.ended = threading.Event()
        self._begin = begin
        self._channel = grpc.insecure_channel(
            target,
            options=[
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.max_reconnect_backoff_ms", 200),
            ],
        )

    def run(self) -> None:
        at = 0
        resource = {"service.name": "scaphandre-metrics", "fedsight.node": self.node}
        while not self.ended.is_set():
            time_ns = self._begin + at * STEP
            load = gauge(METRIC, POINTS, time=time_ns, value=float(at), resource=resource)
            if not self._until_acknowledged("metrics", load):
                break
            self.times.append(time_ns)
            if at % 3 == 0:
                body = log(time_ns, {"fedsight.node": self.node})
                if not self._until_acknowledged("logs", body):
                    break
                self.logs.append(time_ns)
            at += 1
        self._channel.close()

    def _until_acknowledged(self, signal: str, body: bytes) -> bool:
        call = self._channel.unary_unary(f"/{SERVICES[signal]}/Export")
        while not self.ended.is_set():
            try:
                call(body, timeout=5.0)
            except grpc.RpcError:
                time.sleep(0.02)
            else:
                return True
        return False


def killed_again_and_again(data: Path, collector: Server, kills: int, forward: str) -> list[Sender]:
    """Senders whose bridge died so many times; all that it kept has arrived."""
    moments = random.Random(5)
    ports = free_port(), free_port()
    where: Any = {"ports": ports, "collector": collector.url, "lateness_seconds": "0"}
    begin = time.time_ns() - 6 * 3600 * 10**9
    names = ("n-1", "n-2")
    senders = [Sender(f"127.0.0.1:{ports[0]}", name, begin + at) for at, name in enumerate(names)]
    for sender in senders:
        sender.start()
    for _ in range(kills):
        with Bridge(data, "--forward", forward, **where) as running:
            time.sleep(moments.uniform(0.3, 1.2))
            running.kill()
    with Bridge(data, "--forward", forward, **where) as running:
        time.sleep(1.0)
        for sender in senders:
            sender.ended.set()
            sender.join(30)
        time.sleep(2.5)  # what is due is looked for each second
        deadline = time.monotonic() + SECONDS
        while running.figures()["journal_waiting_records"] and time.monotonic() < deadline:
            time.sleep(0.1)
        assert running.figures()["journal_waiting_records"] == 0
    assert all(len(sender.times) > 5 * kills for sender in senders)
    return senders


def values(collector: Server, name: str, node: str) -> dict[tuple[str, int], float]:
    """Samples by `at` and time; two of one would be two points of one series."""
    where = {"name": name, "labels": f"node={node}", "from": "12h", "times": "ns"}
    answer = collector.get("/api/v1/query", params={**where, "limit": 1_000_000})
    found: dict[tuple[str, int], float] = {}
    for series in answer["series"]:
        for when, value in zip(series["times"], series["values"], strict=True):
            key = series["labels"]["at"], int(when)
            assert key not in found, "doubled"
            found[key] = value
    return found


def test_rows_are_neither_lost_nor_doubled(tmp_path: Path) -> None:
    with Server(tmp_path) as collector:
        senders = killed_again_and_again(tmp_path, collector, KILLS, "rows")
        for sender in senders:
            found = values(collector, METRIC, sender.node)
            for at, when in enumerate(sender.times):
                got = [found[str(point), when] for point in range(POINTS)]
                assert got == [float(at + point) for point in range(POINTS)]
            # At most the one request whose answer was lost at the end is there besides.
            assert len(found) - len(sender.times) * POINTS in (0, POINTS)
    with closing(open_readonly(tmp_path)) as store:
        query = "SELECT node, time FROM events WHERE kind = 'OTLP_LOG'"
        logs = store.execute(query).fetchall()
    assert len(logs) == len(set(logs))
    assert {(sender.node, when) for sender in senders for when in sender.logs} <= set(logs)
    windows_hold_what_was_acknowledged(tmp_path, senders)


def windows_hold_what_was_acknowledged(data: Path, senders: list[Sender]) -> None:
    windows = LocalWindows(data / "windows")
    for sender in senders:
        frame = windows.window(sender.node).get_dataframe()
        newest = sender.times[-250:]
        column = frame[f'scaphandre-metrics.{METRIC}{{at="7"}}']
        begin = sender.times[0]
        expected = [(when - begin) // STEP + 7.0 for when in newest]
        assert column.loc[newest].tolist() == expected


def test_minutes_count_each_row_once(tmp_path: Path) -> None:
    with Server(tmp_path) as collector:
        senders = killed_again_and_again(tmp_path, collector, max(2, KILLS - 1), "minutes")
        for sender in senders:
            counts = values(collector, f"{METRIC}_minute_count", sender.node)
            means = values(collector, f"{METRIC}_minute_mean", sender.node)
            minutes: dict[int, list[float]] = {}
            for at, when in enumerate(sender.times):
                minutes.setdefault(when - when % (20 * STEP), []).append(float(at))
            for minute, rows in list(minutes.items())[:-1]:
                assert counts["0", minute] == len(rows)
                assert means["0", minute] == pytest.approx(sum(rows) / len(rows))
