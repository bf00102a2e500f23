"""Who may send, how much, and what is answered: a real process, real clients of gRPC and HTTP."""

from __future__ import annotations

import gzip
import random
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import grpc
import httpx
import psutil
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)

from fedsight.collector.store.storefile import open_readonly
from fedsight.config.trust import Trust
from fedsight.telemetry.bridge import wire
from fedsight.telemetry.bridge.grpc_door import SERVICES
from tests.collector.server import Server
from tests.federated.link.certificates import certificate
from tests.telemetry.bridge.asked import gauge, log, span
from tests.telemetry.bridge.bridges import Bridge

pytestmark = pytest.mark.slow

MALFORMED = 1000


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    with Bridge(tmp_path_factory.mktemp("data"), message_mb="1") as running:
        yield running


def refused(running: Bridge, body: bytes, **named: object) -> tuple[str, wire.Status | None]:
    """The code of a refused call and its google.rpc.Status, where it has one."""
    with pytest.raises(grpc.RpcError) as caught:
        running.export("metrics", body, **named)
    error = caught.value
    details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin")
    return error.code().name, None if details is None else wire.Status.FromString(details)


def code_of(running: Bridge, body: bytes) -> str:
    """The code of a call, refused or not."""
    try:
        running.export("metrics", body)
    except grpc.RpcError as error:
        return str(error.code().name)
    return "OK"


def test_all_three_signals_are_taken_both_ways(bridge: Bridge) -> None:
    assert bridge.export("metrics", gauge()) == b""
    assert bridge.export("logs", log()) == b""
    whole = {"fedsight.run": "r-1", "fedsight.round": 1, "fedsight.phase": "train"}
    assert bridge.export("traces", span(whole)) == b""
    for signal, body in (("metrics", gauge()), ("logs", log()), ("traces", span(whole))):
        answer = bridge.post(signal, gzip.compress(body), content_encoding="gzip")
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"] == "application/x-protobuf"


def test_partial_success_says_how_many_and_why(bridge: Bridge) -> None:
    answer = ExportMetricsServiceResponse.FromString(bridge.export("metrics", gauge(time=0)))
    assert answer.partial_success.rejected_data_points == 1
    assert "the time is 0" in answer.partial_success.error_message
    answer = ExportMetricsServiceResponse.FromString(bridge.post("metrics", gauge(time=0)).content)
    assert answer.partial_success.rejected_data_points == 1


def test_json_is_otlps_own(bridge: Bridge) -> None:
    record = '{"timeUnixNano":"1795341120000000000","severityNumber":9,"traceId":"%s","body":%s}'
    said = record % ("5b8efff798038103d269b633813fc60c", '{"stringValue":"hello"}')
    body = f'{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{said}]}}]}}]}}'
    answer = bridge.post("logs", body.encode(), content_type="application/json")
    assert (answer.status_code, answer.json()) == (200, {})
    bad = body.replace("1795341120000000000", "0")
    answer = bridge.post("logs", bad.encode(), content_type="application/json")
    assert answer.json()["partialSuccess"]["rejectedLogRecords"] == "1"


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"resourceMetrics":7}', b"[" * 5000, b"\xff"])
def test_json_that_is_none_is_told(bridge: Bridge, body: bytes) -> None:
    answer = bridge.post("metrics", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.json()["code"] == 3


def test_what_is_no_otlp_is_refused_with_a_status(bridge: Bridge) -> None:
    code, status = refused(bridge, b"\x0a\x05hello")
    assert (code, status and status.code) == ("INVALID_ARGUMENT", 3)
    answer = bridge.post("metrics", b"\x0a\x05hello")
    assert answer.status_code == 400
    assert wire.Status.FromString(answer.content).code == 3
    for headers in ({"content_type": "text/plain"}, {"content_encoding": "br"}):
        assert bridge.post("metrics", gauge(), **headers).status_code == 415
    assert bridge.post("metrics", b"x", content_encoding="gzip").status_code == 400


def test_a_message_is_bounded_packed_or_not(bridge: Bridge) -> None:
    assert refused(bridge, bytes(2**20 + 1))[0] == "RESOURCE_EXHAUSTED"
    bomb = bytes(200 * 2**20)
    assert refused(bridge, bomb, compression=grpc.Compression.Gzip)[0] == "RESOURCE_EXHAUSTED"
    packed = gzip.compress(bomb)
    assert bridge.post("metrics", packed, content_encoding="gzip").status_code == 413
    assert bridge.post("metrics", bytes(2**20 + 1)).status_code == 413


def test_a_foreign_page_or_name_is_refused(bridge: Bridge) -> None:
    assert bridge.post("metrics", gauge(), host="evil.example").status_code == 403
    assert bridge.post("metrics", gauge(), origin="http://evil.example").status_code == 403


def test_malformed_and_truncated_requests_leave_nothing_behind(bridge: Bridge) -> None:
    body, chance = gauge(points=50), random.Random(7)
    process = psutil.Process(bridge.process.pid)
    for _ in range(50):
        bridge.export("metrics", body)
    bodies = [body[: chance.randrange(1, len(body))] for _ in range(MALFORMED // 2)]
    for _ in range(MALFORMED // 2):
        changed = bytearray(body)
        for _ in range(chance.randrange(1, 9)):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        bodies.append(bytes(changed))
    before, files = process.memory_info().rss, process.num_fds()
    for at, bad in enumerate(bodies):
        if at % 2:
            assert bridge.post("metrics", bad).status_code in (200, 400)
            continue
        assert code_of(bridge, bad) in ("OK", "INVALID_ARGUMENT")
    assert process.memory_info().rss - before < 48 * 2**20
    assert process.num_fds() - files < 8
    assert bridge.export("metrics", body) == b""


def test_a_token_is_needed_where_it_is_asked_for(tmp_path: Path) -> None:
    with Bridge(tmp_path, token="always") as running:
        token = (tmp_path / "token").read_text().strip()
        assert refused(running, gauge())[0] == "UNAUTHENTICATED"
        assert running.post("metrics", gauge()).status_code == 401
        shown = (("authorization", f"Bearer {token}"),)
        assert running.export("metrics", gauge(), metadata=shown) == b""
        answer = running.post("metrics", gauge(), authorization=f"Bearer {token}")
        assert answer.status_code == 200
        codes = {refused(running, gauge())[0] for _ in range(15)}
        assert codes == {"UNAUTHENTICATED", "RESOURCE_EXHAUSTED"}


def test_beyond_loopback_a_token_is_needed_and_tls_is_spoken(tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    arguments = ["--tls-cert", str(tls.certificate), "--tls-key", str(tls.key)]
    with Bridge(tmp_path, "--host", "0.0.0.0", *arguments) as running:
        token = (tmp_path / "token").read_text().strip()
        trusted = grpc.ssl_channel_credentials(tls.certificate.read_bytes())
        target = f"127.0.0.1:{running.target.rpartition(':')[2]}"
        with grpc.secure_channel(target, trusted) as channel:
            assert refused(running, gauge(), channel=channel)[0] == "UNAUTHENTICATED"
            shown = (("authorization", f"Bearer {token}"),)
            assert running.export("metrics", gauge(), channel, metadata=shown) == b""
        assert refused(running, gauge())[0] == "UNAVAILABLE"
        url = f"{running.http.replace('0.0.0.0', '127.0.0.1')}/health"
        with httpx.Client(verify=Trust(certificate=tls.certificate).verify()) as client:
            assert client.get(url).status_code == 401
            shown = {"Authorization": f"Bearer {token}"}
            assert client.get(url, headers=shown).json()["service"] == "fedsight-bridge"


def test_calls_are_bounded_and_it_ends_when_asked(tmp_path: Path) -> None:
    with Bridge(tmp_path, calls="1") as running:
        call = running.channel.unary_unary(f"/{SERVICES['metrics']}/Export")
        under_way = [call.future(gauge(points=500), timeout=20) for _ in range(40)]
        codes = {each.code().name for each in under_way}
        assert codes == {"OK", "RESOURCE_EXHAUSTED"}
        assert running.end() == 0


def test_a_request_that_comes_again_counts_once_before_sealing_too(tmp_path: Path) -> None:
    with Server(tmp_path) as collector, Bridge(tmp_path, collector=collector.url) as running:
        body, record = gauge(time=time.time_ns()), log(time.time_ns())
        for _ in range(3):
            running.export("metrics", body)
            running.export("logs", record)
        deadline = time.monotonic() + 20
        while running.figures()["journal_waiting_records"] and time.monotonic() < deadline:
            time.sleep(0.1)
        where = {"name": "load", "from": "10m", "step": "1h", "aggregation": "count"}
        (series,) = collector.get("/api/v1/query", params=where)["series"]
        assert sum(series["values"]) == 1
        assert running.figures()["repeated_requests_total"] == 2
    with closing(open_readonly(tmp_path)) as store:
        query = "SELECT count(*) FROM events WHERE kind = 'OTLP_LOG'"
        assert store.execute(query).fetchone() == (1,)


def test_what_waits_too_long_is_told_to_come_again(tmp_path: Path) -> None:
    """No collector takes anything, and the journal is small."""
    with Bridge(tmp_path, "--config", str(_small_journal(tmp_path))) as running:
        bodies = (gauge(points=500, host=f"h-{at}") for at in range(500))
        assert any(code_of(running, body) != "OK" for body in bodies)
        code, status = refused(running, gauge())
        assert code == "RESOURCE_EXHAUSTED"
        assert status is not None
        assert status.details[0].type_url.endswith("RetryInfo")
        assert wire.RetryInfo.FromString(status.details[0].value).retry_delay.seconds == 10
        answer = running.post("metrics", gauge())
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")


def _small_journal(folder: Path) -> Path:
    path = folder / "small.toml"
    path.write_text("[journal]\nmax_bytes = 1048576\n")
    return path
