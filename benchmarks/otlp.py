"""How many points a second the bridge takes, beside a naive loop and beside rotel.

OTLP over gRPC, 500 points a request, 32 requests under way, from one client, servers taking turns.
rotel, a collector in Rust, throws away what it took (exporter `blackhole`), as the naive loop does;
the bridge has every point on disk before it answers where it forwards rows or minutes.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import grpc
import psutil
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from benchmarks import otlp_naive
from benchmarks.collector_peers import Process, free_port
from benchmarks.command import Say, run
from benchmarks.machine import ROOT
from benchmarks.measuring import FEWEST_BLOCKS, Spread, ratios, taking_turns
from benchmarks.report import Findings, at_least
from fedsight.errors import FedsightError
from fedsight.telemetry.bridge.grpc_door import SERVICES
from fedsight.telemetry.bridge.metrics import MetricsReader
from fedsight.telemetry.bridge.series import Interned

METRICS, OF_EACH = 50, 10
POINTS = METRICS * OF_EACH
UNDER_WAY = 32
#: When the series began, and what stands in the place of a request's time.
BEGIN, TIME = 1_795_341_000_000_000_000, 1_795_341_120_123_456_789
REQUESTS, QUICK_REQUESTS = 2000, 200
BLOCKS = 9
#: How many times the naive loop's points a second, and the share of rotel's.
OVER_NAIVE, OF_ROTEL = 2.0, 0.4
METHOD = f"/{SERVICES['metrics']}/Export"


@dataclass(frozen=True)
class Taken:
    """One turn: points a second by the wall clock, and of the server's processor time."""

    a_second: float
    a_cpu_second: float


def measure(quick: bool, say: Say) -> Findings:
    """Send the same to all, in turn."""
    requests = QUICK_REQUESTS if quick else REQUESTS
    blocks = FEWEST_BLOCKS if quick else BLOCKS
    template = _template()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = {name: stack.enter_context(_running(folder, name)) for name in SERVERS}
        arms: dict[str, Callable[[], Taken]] = {
            name: partial(_sent, server, template, requests) for name, server in servers.items()
        }
        for arm in arms.values():
            arm()
        found = taking_turns(arms, blocks, say)
    say("decoding alone")
    alone = _decoded(_bodies(template, 64), blocks, requests // 10)
    scale = {"points a request": POINTS, "requests a turn": requests, "under way": UNDER_WAY}
    return _findings({**scale, "blocks": blocks, "request bytes": len(template)}, found, alone)


def _findings(
    scale: dict[str, object], found: dict[str, list[Taken]], alone: dict[str, list[float]]
) -> Findings:
    figures: dict[str, object] = {}
    for name, taken in found.items():
        figures[f"{name}: points a second"] = Spread.of([turn.a_second for turn in taken])
        cpu = [turn.a_cpu_second for turn in taken]
        figures[f"{name}: points a second of its processor time"] = Spread.of(cpu)
    over: dict[tuple[str, str], Spread] = {}
    for ours in OURS:
        for theirs in ("naive loop", "rotel"):
            pair = ratios(found[ours], found[theirs], lambda turn: turn.a_second)
            over[ours, theirs] = figures[f"{ours} over {theirs}"] = Spread.of(pair)
    decoding = ratios(alone["naive loop"], alone["by layout"], float)
    figures["decoding alone: seconds a request by layout"] = Spread.of(alone["by layout"])
    figures["decoding alone: seconds a request in a naive loop"] = Spread.of(alone["naive loop"])
    figures["decoding alone: naive loop's time over ours"] = Spread.of(decoding)
    targets = [
        at_least(f"{ours}: points a second over {theirs}'s", over[ours, theirs].median, bound)
        for ours in OURS
        for theirs, bound in (("naive loop", OVER_NAIVE), ("rotel", OF_ROTEL))
    ]
    return Findings(scale, figures, targets)


def _sent(server: Process, template: bytes, requests: int) -> Taken:
    """Send so many requests, `UNDER_WAY` at a time, each of another time."""
    bodies = _bodies(template, requests)
    process = psutil.Process(server.pid)
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        call = channel.unary_unary(METHOD)
        call(bodies[0], timeout=30)
        before, began = _cpu(process), time.perf_counter()
        waiting = [call.future(bodies[at], timeout=30) for at in range(UNDER_WAY)]
        for at in range(UNDER_WAY, requests):
            if waiting[at % UNDER_WAY].result():
                raise FedsightError("a server rejected points")
            waiting[at % UNDER_WAY] = call.future(bodies[at], timeout=30)
        for last in waiting:
            last.result()
        took, used = time.perf_counter() - began, _cpu(process) - before
    return Taken(requests * POINTS / took, requests * POINTS / max(used, 0.01))


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _decoded(bodies: list[bytes], blocks: int, requests: int) -> dict[str, list[float]]:
    """Seconds that a request takes to be read, in this process."""
    reader = MetricsReader(Interned(), lambda _: frozenset())
    arms = {
        "by layout": partial(_seconds, lambda body: reader.read(body), bodies, requests),
        "naive loop": partial(_seconds, otlp_naive.decoded, bodies, requests),
    }
    return taking_turns(arms, blocks, lambda _: None)


def _seconds(read: Callable[[bytes], object], bodies: list[bytes], requests: int) -> float:
    began = time.perf_counter()
    for at in range(requests):
        read(bodies[at % len(bodies)])
    return (time.perf_counter() - began) / requests


def _bodies(template: bytes, count: int) -> list[bytes]:
    """So many requests, a millisecond apart, that none was like before."""
    old, begin = TIME.to_bytes(8, "little"), time.time_ns()
    times = (begin - (count - at) * 10**6 for at in range(count))
    return [template.replace(old, each.to_bytes(8, "little")) for each in times]


def _template() -> bytes:
    """A request as an SDK sends it; a request is told from others by its time."""
    request = ExportMetricsServiceRequest()
    of_resource = request.resource_metrics.add()
    _put(of_resource.resource.attributes, {"service.name": "shop", "host.name": "edge-1"})
    of_scope = of_resource.scope_metrics.add()
    of_scope.scope.name = "shop"
    for metric in range(METRICS):
        data = of_scope.metrics.add(name=f"shop_metric_{metric}", unit="1").gauge.data_points
        for at in range(OF_EACH):
            point = data.add(start_time_unix_nano=BEGIN, time_unix_nano=TIME, as_double=at * 0.7)
            _put(point.attributes, {"store": f"store-{at}", "kind": "online", "shard": str(metric)})
    return bytes(request.SerializeToString())


def _put(attributes: object, pairs: dict[str, str]) -> None:
    attributes.extend(  # type: ignore[attr-defined]
        KeyValue(key=key, value=AnyValue(string_value=said)) for key, said in pairs.items()
    )


def _ours(forward: str, port: int, data: Path) -> tuple[list[str], dict[str, str]]:
    """Nothing listens where the collector would be: what is measured is the bridge."""
    command = [sys.executable, "-m", "fedsight", "serve", "bridge", "--forward", forward]
    command += ["--grpc-port", str(port), "--http-port", "0"]
    settings = {"FEDSIGHT_DATA": str(data), "COLLECTOR_PORT": "1", "LOG_LEVEL": "ERROR"}
    return command, {**settings, "FEDSIGHT_JOURNAL_MAX_BYTES": str(32 * 2**30)}


def _naive(port: int, _: Path) -> tuple[list[str], dict[str, str]]:
    command = [sys.executable, "-m", "benchmarks.otlp_naive", str(port)]
    return command, {"PYTHONPATH": str(ROOT)}


def _rotel(port: int, _: Path) -> tuple[list[str], dict[str, str]]:
    try:
        import rotel
    except ImportError as error:
        raise FedsightError("rotel is not installed; run: pip install rotel") from error
    program = Path(rotel.__file__).with_name("rotel-agent")
    command = [str(program), "start", "--exporter", "blackhole"]
    command += ["--otlp-grpc-endpoint", f"127.0.0.1:{port}"]
    return [*command, "--otlp-http-endpoint", f"127.0.0.1:{free_port()}"], {}


SERVERS: dict[str, Callable[[int, Path], tuple[list[str], dict[str, str]]]] = {
    "bridge, windows only": partial(_ours, "nothing"),
    "bridge, rows": partial(_ours, "rows"),
    "bridge, minutes": partial(_ours, "minutes"),
    "naive loop": _naive,
    "rotel": _rotel,
}
OURS = ("bridge, windows only", "bridge, rows")


@contextlib.contextmanager
def _running(folder: Path, name: str) -> Iterator[Process]:
    data = folder / name.replace(" ", "-").replace(",", "")
    data.mkdir()
    port = free_port()
    command, settings = SERVERS[name](port, data)
    server = Process(command, data, port, settings)
    try:
        yield server
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(run("otlp", measure))
