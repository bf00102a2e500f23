"""A server whose live stream is measured: a collector, or next to nothing on the same stack.

Publishes an event so often itself, so that nothing else takes part, and says at its end when each
was published: in the collector when its commit was done, in the bare server before it was sent.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import uvloop
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketDisconnect

from fedsight.collector.http.application import guarded, watch_stream
from fedsight.collector.options import CollectorOptions
from fedsight.collector.running import Collector, Parts, collecting
from fedsight.collector.store.prepare import Record
from fedsight.door.serving import listening, serve
from fedsight.signals import Event, batch

#: A message's bytes, and what of them is not the pad.
MESSAGE_BYTES = 500
FRAME = len(
    '{"type":"event","cursor":10001,"event":{"id":5000,"time":"2026-11-22T09:52:00.000000Z",'
    '"source":"benchmark","kind":"TICK","run":null,"round":null,"node":null,'
    '"details":{"n":100,"pad":""}}}'
)
PAD = "x" * (MESSAGE_BYTES - FRAME)


class Clock:
    """When to publish, from the moment that standard input says so, and when it was done."""

    def __init__(self, messages: int, rate: float) -> None:
        self.messages = messages
        self.rate = rate
        self.published: dict[int, int] = {}
        self._cpu = 0.0

    def wait_for_start(self) -> float:
        """Blocks until told; the time at which to begin."""
        sys.stdin.readline()
        self._cpu = time.process_time()
        return time.monotonic() + 0.2

    @property
    def cpu_seconds(self) -> float:
        """CPU time of this process since then."""
        return time.process_time() - self._cpu

    def done(self, number: int) -> None:
        """Message `number` is public from now on."""
        self.published[number] = time.monotonic_ns()


def collector_app(folder: Path, clock: Clock) -> ASGIApp:
    """A collector's parts with its live stream behind its door, the HTTP routes left out."""
    options = CollectorOptions(folder, port=0)
    parts = Parts(options, "http://127.0.0.1")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with collecting(parts) as collector:
            app.state.service = collector
            collector.ingest.taps.append(lambda records: committed(records, clock))
            threading.Thread(target=ticking, args=(collector, clock), daemon=True).start()
            yield

    app = Starlette(routes=[WebSocketRoute("/ws/metrics", watch_stream)], lifespan=lifespan)
    return guarded(app, options, parts.login)


def ticking(collector: Collector, clock: Clock) -> None:
    """Have an event stored for each message, in a thread of its own."""
    begin = clock.wait_for_start()
    for number in range(clock.messages):
        time.sleep(max(0.0, begin + number / clock.rate - time.monotonic()))
        details = {"n": number, "pad": PAD}
        event = Event(time.time_ns(), "benchmark", "TICK", details=details)
        collector.ingest.keep(batch(events=[event]))


def committed(records: object, clock: Clock) -> None:
    """Note the commit of what is ours."""
    assert isinstance(records, list | tuple)
    for record in records:
        assert isinstance(record, Record)
        for entry in record.events:
            if entry.event.kind == "TICK":
                clock.done(entry.event.details["n"])


def bare_app(clock: Clock) -> ASGIApp:
    """The least that sends a message to all who are connected."""
    sockets: set[WebSocket] = set()

    async def watch(socket: WebSocket) -> None:
        await socket.accept()
        with suppress(WebSocketDisconnect):
            await socket.receive_text()
            await socket.send_text('{"type":"subscribed","streams":[],"cursor":1}')
            sockets.add(socket)
            while True:
                await socket.receive_text()
        sockets.discard(socket)

    async def tick() -> None:
        begin = await asyncio.to_thread(clock.wait_for_start)
        for number in range(clock.messages):
            await asyncio.sleep(max(0.0, begin + number / clock.rate - time.monotonic()))
            text = f'{{"type":"event","n":{number},"pad":"{PAD}"}}'.ljust(MESSAGE_BYTES)
            clock.done(number)
            for socket in list(sockets):
                with suppress(WebSocketDisconnect, RuntimeError):
                    await socket.send_text(text)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        task = asyncio.create_task(tick())
        yield
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    return Starlette(routes=[WebSocketRoute("/ws/metrics", watch)], lifespan=lifespan)


def main(kind: str, folder: str, messages: str, rate: str) -> None:
    """Serve until SIGTERM, then print the times of publishing as JSON."""
    clock = Clock(int(messages), float(rate))
    app = bare_app(clock) if kind == "bare" else collector_app(Path(folder), clock)
    with listening("127.0.0.1", 0) as listener:
        print(listener.getsockname()[1], flush=True)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(app, listener))
    said = {"published": clock.published, "cpu_seconds": clock.cpu_seconds}
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
