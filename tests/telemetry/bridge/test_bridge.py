"""A bridge in this process: windows, what they refuse, waiting, clocks, units, figures."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd
import pytest

from fedsight.door.serving import PortInUseError
from fedsight.journal import Journal, JournalInUseError
from fedsight.signals import Event
from fedsight.telemetry.bridge.bridge import Bounds, Bridge
from fedsight.telemetry.bridge.committing import Committer
from fedsight.telemetry.bridge.document import document
from fedsight.telemetry.bridge.figures import health, page
from fedsight.telemetry.bridge.grpc_door import Entrance, GrpcDoor
from fedsight.telemetry.bridge.options import BridgeOptions
from fedsight.telemetry.bridge.parts import Parts, made
from fedsight.telemetry.bridge.refusing import CallRefusedError
from fedsight.telemetry.bridge.senders import Senders
from fedsight.telemetry.bridge.verdict import Verdict
from fedsight.telemetry.bridge.work import Nowhere, Work
from fedsight.telemetry.windows import MemoryWindows, Sorter, WindowError
from fedsight.telemetry.windows.rules import scaphandre
from tests.telemetry.bridge.asked import gauge, log, metrics

LOAD = "scaph_host_load_avg_one"
SCAPHANDRE = {"service.name": "scaphandre-metrics", "fedsight.node": "n-1"}
HOUR = 3600 * 10**9


def with_bridge(
    data: Path, do: Callable[[Parts], Awaitable[Any]], windows: Any = None, **options: Any
) -> Any:
    """What `do` comes to with a bridge of these options, which then ends."""
    chosen = BridgeOptions(data, **options)
    windows = MemoryWindows() if windows is None else windows
    with made(chosen, "secret", windows, scaphandre()) as parts:
        return asyncio.run(do(parts))


def events(data: Path) -> list[Event]:
    (path,) = (data / "journals").glob("otlp-*.sqlite")
    with Journal(path.parent, path.stem) as journal:
        return [event for record in journal.read(0, 1000) for event in record.batch.events]


def test_what_a_rule_wants_is_in_the_window_when_it_is_acknowledged(tmp_path: Path) -> None:
    windows = MemoryWindows()
    now = time.time_ns()

    async def do(parts: Parts) -> pd.DataFrame:
        body = gauge(LOAD, points=2, time=now, resource=SCAPHANDRE)
        await parts.bridge.take("metrics", body, "grpc")
        assert parts.bridge.counts.unmatched == 0
        await parts.bridge.take("metrics", gauge("other", resource=SCAPHANDRE), "grpc")
        assert parts.bridge.counts.unmatched == 1
        return windows.window("n-1").get_dataframe()

    frame = with_bridge(tmp_path, do, windows, forward="nothing")
    columns = [f'scaphandre-metrics.{LOAD}{{at="{at}"}}' for at in (0, 1)]
    assert list(frame.columns) == columns
    assert frame.iloc[0].tolist() == [0.5, 1.5]
    assert not (tmp_path / "journals").exists()


def test_what_is_not_kept_is_told(tmp_path: Path) -> None:
    async def do(parts: Parts) -> Verdict:
        return await parts.bridge.take("logs", log(), "grpc")

    verdict = with_bridge(tmp_path, do, forward="nothing")
    assert (verdict.taken, verdict.left_out, verdict.refused) == (0, 1, 0)
    assert "nothing leaves this node" in verdict.message("log records")


class Failing:
    """Windows into which nothing goes."""

    interval_ns = 3 * 10**9

    def __init__(self, error: WindowError) -> None:
        self.error = error

    def nodes(self) -> list[str]:
        return []

    def window(self, _: str) -> Failing:
        return self

    def add_dataframe(self, _: pd.DataFrame) -> None:
        raise self.error


def taken(parts: Parts) -> Awaitable[Verdict]:
    body = gauge(LOAD, time=time.time_ns(), resource=SCAPHANDRE)
    return parts.bridge.take("metrics", body, "grpc")


def test_windows_that_are_away_make_the_sender_come_again(tmp_path: Path) -> None:
    error = WindowError("no disk")
    error.__cause__ = OSError(5, "no disk")
    with pytest.raises(CallRefusedError, match="no disk") as refused:
        with_bridge(tmp_path, taken, Failing(error), forward="nothing")
    assert (refused.value.code, refused.value.retry) == (14, 5.0)


@pytest.mark.parametrize(("forward", "rejected"), [("nothing", 1), ("rows", 0)])
def test_what_windows_never_take_does_not_come_again(
    tmp_path: Path, forward: str, rejected: int
) -> None:
    full = Failing(WindowError("there are windows of 1000 nodes"))
    verdict = with_bridge(tmp_path, taken, full, forward=forward)
    assert verdict.refused == rejected
    assert "windows of 1000 nodes" in verdict.message("data points")


def test_clocks_that_disagree_are_told_and_kept(tmp_path: Path) -> None:
    async def do(parts: Parts) -> None:
        for shift in (HOUR, HOUR, -3 * HOUR, 0):
            body = gauge(time=time.time_ns() + shift)
            assert (await parts.bridge.take("metrics", body, "grpc")).taken == 1
        assert (parts.bridge.counts.ahead, parts.bridge.counts.behind) == (2, 1)

    with_bridge(tmp_path, do)
    (event,) = events(tmp_path)
    assert (event.source, event.kind, event.node) == ("bridge", "CLOCKS_DISAGREE", "edge-1")
    assert event.details["seconds"] == pytest.approx(3600, abs=5)


def test_a_unit_that_changes_is_an_event(tmp_path: Path) -> None:
    async def do(parts: Parts) -> None:
        for unit in ("W", "kW", "W"):
            await parts.bridge.take("metrics", gauge(time=time.time_ns(), unit=unit), "grpc")
        assert parts.bridge.counts.unit_changes == 2

    with_bridge(tmp_path, do)
    (event,) = events(tmp_path)
    assert event.kind == "UNIT_CHANGED"
    said = {"metric": "load", "before": "W", "after": "kW", "service": "shop"}
    assert event.details == said


class Halting(Nowhere):
    """A disk that is written once it may go on."""

    keeps = True

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.written = 0

    def keep(self, works: Sequence[Work]) -> int:
        assert self.go_on.wait(10)
        self.written += len(works)
        return 0


def test_what_callers_gave_up_waits_until_it_is_written() -> None:
    disk, body = Halting(), gauge(points=100)

    async def do(bridge: Bridge) -> list[Any]:
        found = []
        for _ in range(20):
            try:
                await asyncio.wait_for(bridge.take("metrics", body, "grpc"), 0.01)
            except (TimeoutError, CallRefusedError) as error:
                found.append(type(error))
        assert 3 * len(body) <= bridge.waiting <= 60_000
        disk.go_on.set()
        while bridge.waiting:
            await asyncio.sleep(0.01)
        assert bridge.counts.requests["metrics", "grpc", "ok"] == disk.written == 3
        return found

    committer = Committer(disk, lambda _: {}).start()
    sorters = [Sorter(scaphandre()), Sorter(scaphandre())]
    with closing(Bridge(disk, committer, sorters, {}, Bounds(60_000))) as bridge:
        found = asyncio.run(do(bridge))
    assert found == [TimeoutError] * 3 + [CallRefusedError] * 17


def test_what_requests_come_to_waits_too() -> None:
    disk, body = Halting(), gauge(points=900, resource={"service.name": "s" * 250})

    async def do(bridge: Bridge) -> None:
        calls = [asyncio.ensure_future(bridge.take("metrics", body, "grpc")) for _ in range(6)]
        await asyncio.sleep(0.1)
        assert bridge.waiting > 2 * 900 * 250
        disk.go_on.set()
        found = await asyncio.gather(*calls, return_exceptions=True)
        assert [getattr(each, "code", 0) for each in found] == [0, 0, 8, 8, 8, 8]
        assert bridge.waiting == 0

    committer = Committer(disk, lambda _: {}).start()
    sorters = [Sorter(scaphandre()), Sorter(scaphandre())]
    with closing(Bridge(disk, committer, sorters, {}, Bounds(1_000_000))) as bridge:
        asyncio.run(do(bridge))


def test_units_of_one_request_are_told_within_bounds(tmp_path: Path) -> None:
    async def do(parts: Parts) -> None:
        for unit in ("W", "kW"):
            request, found = metrics()
            for at in range(200):
                found.add(name=f"m{at}", unit=unit)
            await parts.bridge.take("metrics", request.SerializeToString(), "grpc")
        assert parts.bridge.counts.unit_changes == 200

    with_bridge(tmp_path, do)
    assert len(events(tmp_path)) == 64


def test_what_waits_is_bounded(tmp_path: Path) -> None:
    async def do(parts: Parts) -> list[Any]:
        body = gauge(points=100)
        calls = (parts.bridge.take("metrics", body, "grpc") for _ in range(20))
        return await asyncio.gather(*calls, return_exceptions=True)

    found = with_bridge(tmp_path, do, waiting_bytes=len(gauge(points=100)) * 3)
    refused = [each for each in found if isinstance(each, CallRefusedError)]
    assert 0 < len(refused) < 20
    assert {(each.code, each.retry) for each in refused} == {(8, 1.0)}


def test_a_journals_name_is_used_again_and_never_given_to_another(tmp_path: Path) -> None:
    async def do(parts: Parts) -> str:
        await parts.bridge.take("metrics", gauge(), "grpc")
        assert parts.journal is not None
        return parts.journal.id

    first, second = with_bridge(tmp_path, do), with_bridge(tmp_path, do)
    assert first == second
    for path in (tmp_path / "journals").iterdir():
        path.unlink()
    assert with_bridge(tmp_path, do) != first


def test_it_says_how_it_is(tmp_path: Path) -> None:
    async def do(parts: Parts) -> tuple[Any, str]:
        await parts.bridge.take("metrics", gauge(time=0), "http")
        return msgspec.json.decode(health(parts)), page(parts)

    said, figures = with_bridge(tmp_path, do, forward="minutes")
    assert (said["service"], said["forward"]) == ("fedsight-bridge", "minutes")
    assert said["components"]["writing"] == {"status": "healthy", "error": None}
    assert 'rejected_total{signal="metrics"} 1' in figures
    assert 'requests_total{signal="metrics",protocol="http",outcome="partial"} 1' in figures


@pytest.mark.slow
def test_two_bridges_share_no_data_directory(tmp_path: Path) -> None:
    async def do(parts: Parts) -> None:
        await taken(parts)
        second = made(parts.options, "secret", MemoryWindows(), scaphandre())
        with pytest.raises(JournalInUseError, match="is in use by another process"), second:
            pass

    with_bridge(tmp_path, do)


def test_a_port_that_is_taken_is_named() -> None:
    async def both() -> None:
        first = GrpcDoor(Entrance("127.0.0.1", 0, None, None, 2**20, 8), {})
        await first.start()
        second = GrpcDoor(Entrance("127.0.0.1", first.port, None, None, 2**20, 8), {})
        with pytest.raises(PortInUseError, match=f"port {first.port} for gRPC"):
            await second.start()
        await first.close()

    asyncio.run(both())


def test_two_agents_of_one_node_are_known_by_their_turns(tmp_path: Path) -> None:
    now = time.time_ns()
    windows = MemoryWindows()

    def of(agent: str, value: float) -> bytes:
        resource = {**SCAPHANDRE, "fedsight.agent": agent}
        return gauge(LOAD, time=now, value=value, resource=resource)

    async def do(parts: Parts) -> Any:
        said = []
        for agent, value in (("first", 1.0), ("second", 2.0), ("second", 2.0), ("first", 1.0)):
            await parts.bridge.take("metrics", of(agent, value), "grpc")
            said.append(msgspec.json.decode(health(parts))["components"]["senders"])
        return said, page(parts)

    said, figures = with_bridge(tmp_path, do, windows)
    assert [part["status"] for part in said] == ["healthy"] * 3 + ["degraded"]
    assert "two agents send scaphandre-metrics as node n-1 (second and first)" in said[-1]["error"]
    assert "fedsight_bridge_agent_turns_total 1" in figures
    (event,) = events(tmp_path)
    assert (event.kind, event.node) == ("TWO_AGENTS", "n-1")
    assert event.details["agents"] == ["second", "first"]
    row = windows.window("n-1").get_dataframe()
    assert row.iloc[-1, 0] == 1.0  # the first value of a slot stays


def test_an_agent_that_another_follows_is_no_pair() -> None:
    senders = Senders()
    for agent in ("first", "first", "second", "third"):
        assert senders.note({**SCAPHANDRE, "fedsight.agent": agent}, 1) is None
    assert senders.note(SCAPHANDRE, 1) is None
    pair = senders.note({**SCAPHANDRE, "fedsight.agent": "second"}, 2)
    assert pair is not None
    assert pair.agents == ("third", "second")
    assert senders.pairs(3) == [pair]
    assert senders.pairs(HOUR) == []


def test_it_says_in_a_document_what_it_takes() -> None:
    found = json.loads(document())
    assert set(found["paths"]) == {
        "/health",
        "/metrics",
        "/openapi.json",
        "/v1/logs",
        "/v1/metrics",
        "/v1/traces",
    }
    taken = found["paths"]["/v1/metrics"]["post"]
    assert set(taken["requestBody"]["content"]) == {"application/x-protobuf", "application/json"}
    assert {"200", "400", "401", "413", "415", "429", "503"} <= set(taken["responses"])
    part = found["components"]["schemas"]["Health"]["properties"]["components"]
    assert part["additionalProperties"] == {"$ref": "#/components/schemas/Part"}
