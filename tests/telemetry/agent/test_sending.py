"""Sending to a real gRPC server: again, in halves, with token, TLS and gzip."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsPartialSuccess,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest as Request,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse as Response,
)

from fedsight.errors import SettingsError, UsageError
from fedsight.telemetry.agent.bridge import Endpoint, GrpcBridge
from fedsight.telemetry.agent.figures import Figures
from fedsight.telemetry.agent.options import AgentOptions, Target
from fedsight.telemetry.agent.queue import Queue, Size
from fedsight.telemetry.agent.sending import Sender
from fedsight.telemetry.agent.starts import Starts
from fedsight.telemetry.agent.verdict import Later, Taken, Verdict
from tests.federated.link.certificates import certificate
from tests.telemetry.agent.receiver import Answer, Receiver, receiving, rows_of
from tests.telemetry.agent.test_otlp import SECOND, encoded

During = Callable[[Sender, Queue, Figures], Awaitable[None]]


def refusing(code: StatusCode, when: Callable[[Request], bool], details: bytes = b"") -> Answer:
    """Refuse some requests."""

    def answer(request: Request, context: Any) -> Response | None:
        if not when(request):
            return Response()
        if details:
            context.set_trailing_metadata((("grpc-status-details-bin", details),))
        context.set_code(code)
        context.set_details("so the test wants it")
        return None

    return answer


def first(times: int) -> Callable[[Request], bool]:
    """The first so many requests."""
    seen = iter(range(10_000))
    return lambda _: next(seen) < times


def holds(value: float) -> Callable[[Request], bool]:
    """Requests that hold that value."""
    return lambda request: value in [row[5] for row in rows_of(request)]


def run(
    folder: Path,
    endpoint: Endpoint,
    during: During,
    scrapes: int = 4,
    **options: Any,
) -> Figures:
    """A sender over a queue of so many scrapes of one point each, until `during` has ended."""
    queue, figures = Queue(folder / "queue", 10_000_000), Figures()
    for number in range(1, scrapes + 1):
        queue.put("t", number, 1, encoded(f"load {number}\n", Starts(), number * SECOND), None)
    pace = {"batch": 0.1, "pause_first": 0.02, "pause_most": 0.1, **options}
    told = AgentOptions("n", "h", (Target("t", "http://x/"),), endpoint, folder, **pace)

    async def running() -> None:
        bridge = GrpcBridge(endpoint)
        sender = Sender(queue, bridge, told, figures)
        task = asyncio.create_task(sender.run())
        try:
            await during(sender, queue, figures)
        finally:
            sender.stop()
            await asyncio.wait_for(task, 10)
            await bridge.close()

    try:
        asyncio.run(running())
    finally:
        queue.close()
    return figures


async def emptied(_: Sender, queue: Queue, __: Figures) -> None:
    """Until nothing waits."""
    async with asyncio.timeout(10):
        while queue.size != Size():
            await asyncio.sleep(0.01)


def test_what_comes_meanwhile_is_no_part_of_what_is_sent_again(tmp_path: Path) -> None:
    """A bridge of minutes knows a request that comes again by its bytes."""
    asked: list[bytes] = []

    class Forgetful:
        """Takes what comes, and its first answer is lost."""

        async def export(self, body: bytes, timeout: float) -> Verdict:
            """As `Bridge.export`."""
            asked.append(body)
            if len(asked) > 1:
                return Taken()
            queue.put("t", 3, 1, b"third", None)
            return Later("DEADLINE_EXCEEDED", "it did not answer")

    with closing(Queue(tmp_path, 10_000)) as queue:
        queue.put("t", 1, 1, b"first ", None)
        queue.put("t", 2, 1, b"second", None)
        endpoint = Endpoint("http://127.0.0.1:1")
        pace: dict[str, Any] = {"pause_first": 0.01, "batch": 60.0}
        told = AgentOptions("n", "h", (Target("t", "http://x/"),), endpoint, tmp_path, **pace)

        async def sent() -> None:
            sender = Sender(queue, Forgetful(), told, Figures())
            task = asyncio.create_task(sender.run())
            await emptied(sender, queue, Figures())
            sender.stop()
            await asyncio.wait_for(task, 10)

        asyncio.run(sent())
    assert asked == [b"first second", b"first second", b"third"]


def values(receiver: Receiver) -> list[float]:
    return [row[5] for row in receiver.rows()]


def test_what_waits_is_sent_in_requests_of_their_size(tmp_path: Path) -> None:
    receiver = Receiver()
    size = len(encoded("load 1\n", Starts(), SECOND))
    with receiving(receiver) as bridge:
        figures = run(tmp_path, Endpoint(bridge), emptied, scrapes=5, request_bytes=2 * size)
    assert [len(list(rows_of(request))) for request in receiver.requests] == [2, 2, 1]
    assert values(receiver) == [1, 2, 3, 4, 5]
    assert (figures.requests, figures.sent) == (3, 5)


def test_a_bridge_that_is_away_is_tried_until_it_is_there(tmp_path: Path) -> None:
    receiver = Receiver(refusing(StatusCode.UNAVAILABLE, first(3)))
    with receiving(receiver) as bridge:
        figures = run(tmp_path, Endpoint(bridge), emptied)
    assert receiver.asked == 4
    assert values(receiver) == [1, 2, 3, 4]
    assert figures.send_failures == {"UNAVAILABLE": 3}


def test_no_answer_in_time_is_tried_again(tmp_path: Path) -> None:
    def slow(_: Request, __: Any) -> Response:
        if receiver.asked == 1:
            time.sleep(0.5)
        return Response()

    receiver = Receiver(slow)
    with receiving(receiver) as bridge:
        figures = run(tmp_path, Endpoint(bridge), emptied, send_timeout=0.2)
    assert figures.send_failures["DEADLINE_EXCEEDED"] >= 1
    assert set(values(receiver)) == {1, 2, 3, 4}


def test_the_next_agent_sends_a_request_as_it_was(tmp_path: Path) -> None:
    """What was scraped meanwhile is of the next."""
    asked: list[list[float]] = []

    def answer(request: Request, context: Any) -> Response | None:
        asked.append([row[5] for row in rows_of(request)])
        return refusing(StatusCode.UNAVAILABLE, lambda _: away)(request, context)

    async def failed(_: Sender, __: Queue, figures: Figures) -> None:
        while not figures.send_failures:
            await asyncio.sleep(0.01)

    away = True
    with receiving(Receiver(answer)) as bridge:
        run(tmp_path, Endpoint(bridge), failed)
        with closing(Queue(tmp_path / "queue", 10_000_000)) as queue:
            queue.put("t", 9, 1, encoded("load 9\n", Starts(), 9 * SECOND), None)
        away = False
        run(tmp_path, Endpoint(bridge), emptied, scrapes=0)
    assert asked[-2:] == [[1, 2, 3, 4], [9]]
    assert all(each == [1, 2, 3, 4] for each in asked[:-1])


def test_a_half_whose_answer_was_lost_is_sent_again_as_it_was(tmp_path: Path) -> None:
    asked: list[list[float]] = []

    def answer(request: Request, context: Any) -> Response | None:
        asked.append([row[5] for row in rows_of(request)])
        if 8 in asked[-1]:
            return refusing(StatusCode.INVALID_ARGUMENT, lambda _: True)(request, context)
        return refusing(StatusCode.UNAVAILABLE, lambda _: len(asked) == 2)(request, context)

    with receiving(Receiver(answer)) as bridge:
        figures = run(tmp_path, Endpoint(bridge), emptied, scrapes=8)
    assert asked[:4] == [[*range(1, 9)], [1, 2, 3, 4], [1, 2, 3, 4], [5, 6, 7, 8]]
    assert (figures.refused, figures.sent) == (1, 7)


def test_a_full_bridge_is_left_alone_for_as_long_as_it_says(tmp_path: Path) -> None:
    status = Status(code=8)
    status.details.add().Pack(RetryInfo(retry_delay=Duration(nanos=600_000_000)))
    full = refusing(StatusCode.RESOURCE_EXHAUSTED, first(1), status.SerializeToString())
    receiver = Receiver(full)
    began = time.monotonic()
    with receiving(receiver) as bridge:
        figures = run(tmp_path, Endpoint(bridge), emptied)
    assert time.monotonic() - began >= 0.6
    assert (receiver.asked, figures.refused) == (2, 0)


def test_rejected_points_are_counted_and_not_sent_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def partly(_: Request, __: Any) -> Response:
        partial = ExportMetricsPartialSuccess(rejected_data_points=3, error_message="too old")
        return Response(partial_success=partial)

    receiver = Receiver(partly)
    with receiving(receiver) as bridge, caplog.at_level(logging.WARNING):
        figures = run(tmp_path, Endpoint(bridge), emptied)
    assert (receiver.asked, figures.sent, figures.rejected) == (1, 1, 3)
    assert "not 3 of its points: too old" in caplog.text


def test_one_scrape_that_is_refused_takes_no_other_with_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = Receiver(refusing(StatusCode.INVALID_ARGUMENT, holds(3)))
    with receiving(receiver) as bridge, caplog.at_level(logging.ERROR):
        figures = run(tmp_path, Endpoint(bridge), emptied, scrapes=8)
    assert sorted(values(receiver)) == [1, 2, 4, 5, 6, 7, 8]
    assert (figures.refused, figures.sent) == (1, 7)
    assert "refuses a scrape of 1 points for good: INVALID_ARGUMENT" in caplog.text


def guarded(request: Request, context: Any) -> Response | None:
    """Ask for the token `right`."""
    right = dict(context.invocation_metadata()).get("authorization") == "Bearer right"
    return refusing(StatusCode.UNAUTHENTICATED, lambda _: not right)(request, context)


def test_a_wrong_token_drops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    token = tmp_path / "token"
    token.write_text("wrong\n")

    async def mended(sender: Sender, queue: Queue, figures: Figures) -> None:
        while not figures.send_failures:
            await asyncio.sleep(0.01)
        assert queue.size.scrapes == 4
        token.write_text("right\n")
        await emptied(sender, queue, figures)

    receiver = Receiver(guarded)
    with receiving(receiver) as bridge, caplog.at_level(logging.WARNING):
        run(tmp_path, Endpoint(bridge, token_file=token), mended)
    assert values(receiver) == [1, 2, 3, 4]
    assert "somebody has to mend that" in caplog.text


def test_our_own_token_is_shown_to_a_bridge_on_this_machine_that_asks(tmp_path: Path) -> None:
    """One that does not ask may be of another data directory, with another token."""
    open_to_all, asking = Receiver(), Receiver(guarded)
    for name, receiver in (("open", open_to_all), ("asking", asking)):
        with receiving(receiver) as bridge:
            figures = run(tmp_path / name, Endpoint(bridge, own_token=lambda: "right"), emptied)
            assert (figures.sent, figures.send_failures) == (4, {})
    assert "authorization" not in open_to_all.shown[0]
    assert asking.shown[-1]["authorization"] == "Bearer right"


def test_tls_by_the_authority_that_is_named(tmp_path: Path) -> None:
    tls, receiver = certificate(tmp_path), Receiver()
    token = tmp_path / "token"
    token.write_text("secret")
    with receiving(receiver, tls=(tls.certificate, tls.key)) as bridge:
        assert bridge.startswith("https://")
        run(tmp_path, Endpoint(bridge, authority=tls.certificate, token_file=token), emptied)
    assert values(receiver) == [1, 2, 3, 4]
    assert receiver.shown[0]["authorization"] == "Bearer secret"


def test_tls_by_this_machines_authorities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls, receiver = certificate(tmp_path), Receiver()
    monkeypatch.setenv("SSL_CERT_FILE", str(tls.certificate))
    with receiving(receiver, tls=(tls.certificate, tls.key)) as bridge:
        run(tmp_path, Endpoint(bridge), emptied)
    assert values(receiver) == [1, 2, 3, 4]


def test_an_authority_that_is_none_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    endpoint = Endpoint("https://127.0.0.1:1", authority=tmp_path / "ca.pem")
    with pytest.raises(UsageError, match=r"ca\.pem holds no certificate"):
        run(tmp_path, endpoint, emptied)


@pytest.mark.parametrize("held", ["", "one\ntwo", "sécret", "one two"])
def test_a_file_that_holds_no_token_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, held: str
) -> None:
    token = tmp_path / "token"
    token.write_text(held)

    async def mended(sender: Sender, queue: Queue, figures: Figures) -> None:
        while not figures.send_failures:
            await asyncio.sleep(0.01)
        token.write_text("right\n")
        await emptied(sender, queue, figures)

    with receiving(Receiver(guarded)) as bridge, caplog.at_level(logging.WARNING):
        figures = run(tmp_path, Endpoint(bridge, token_file=token), mended)
    assert figures.send_failures["TOKEN"] >= 1
    assert str(token) in caplog.text
    assert "somebody has to mend that" in caplog.text
    assert not held or held not in caplog.text


def test_a_token_does_not_leave_this_machine_in_plain_text(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"without encryption.*https://"):
        Endpoint("http://bridge.example:4317", token_file=tmp_path / "token")


def test_requests_are_packed(tmp_path: Path) -> None:
    """A page of many lines that are alike takes a fraction of its bytes on the wire."""
    body = encoded("".join(f'load{{of="{n}"}} 1\n' for n in range(2000)), Starts(), SECOND)
    receiver, counted = Receiver(), list[int]()

    async def one(sender: Sender, queue: Queue, figures: Figures) -> None:
        queue.put("t", 9, 2000, body, None)
        await emptied(sender, queue, figures)

    with receiving(receiver) as bridge, counting(bridge, counted) as way:
        run(tmp_path, Endpoint(way), one, scrapes=0)
    assert len(receiver.rows()) == 2000
    assert sum(counted) < len(body) / 4


@contextmanager
def counting(url: str, counted: list[int]) -> Iterator[str]:
    """A way to a server that notes the bytes of each read towards it."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
    near: list[socket.socket] = []

    def carry() -> None:
        with suppress(OSError):
            near.append(listener.accept()[0])
            threading.Thread(target=copy, args=(server, near[0], list[int]())).start()
            copy(near[0], server, counted)

    def copy(source: socket.socket, sink: socket.socket, sizes: list[int]) -> None:
        with suppress(OSError):
            while piece := source.recv(65_536):
                sizes.append(len(piece))
                sink.sendall(piece)

    thread = threading.Thread(target=carry)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        for each in (listener, server, *near):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        thread.join(5)
