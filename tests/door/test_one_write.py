"""What a response writes to: its parts leave together, in order, and none is left behind."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fedsight.door.body import WHOLE
from fedsight.door.one_write import AT_ONCE, Gathered
from fedsight.door.serving import listening, serve

ASK = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok"


class Written(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:  # type: ignore[override]
        self.parts.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def test_parts_leave_together_at_the_next_turn_of_the_loop() -> None:
    async def run() -> list[bytes]:
        written = Written()
        gathered = Gathered(written, asyncio.get_running_loop())
        gathered.write(b"head")
        gathered.write(b"body")
        assert written.parts == []
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return written.parts

    assert asyncio.run(run()) == [b"headbody"]


def test_a_long_answer_does_not_gather() -> None:
    async def run() -> tuple[list[int], bool]:
        written = Written()
        gathered = Gathered(written, asyncio.get_running_loop())
        for _ in range(3):
            gathered.write(bytes(AT_ONCE // 2))
        gathered.close()
        return [len(part) for part in written.parts], gathered.is_closing()

    assert asyncio.run(run()) == ([AT_ONCE, AT_ONCE // 2], True)


async def answering(scope: Scope, receive: Receive, send: Send) -> None:
    """A head, and a body in two parts with a pause between them where the path asks for one."""
    if scope["type"] == "lifespan":
        await live(receive, send)
        return
    body = (await receive())["body"]
    head: Message = {"type": "http.response.start", "status": 200, "headers": []}
    await send(head)
    await send({"type": "http.response.body", "body": body, "more_body": True})
    await asyncio.sleep(0.01 if scope["path"] == "/slow" else 0)
    await send({"type": "http.response.body", "body": b"."})


async def live(receive: Receive, send: Send) -> None:
    for _ in range(2):
        message = await receive()
        await send({"type": f"{message['type']}.complete"})


def served(talk: Callable[[int], Awaitable[bytes]], app: ASGIApp = answering) -> bytes:
    """What `talk` reads from a real server at a port."""

    async def run() -> bytes:
        with listening("127.0.0.1", 0) as listener:
            serving = asyncio.create_task(serve(app, listener))
            try:
                return await asyncio.wait_for(talk(listener.getsockname()[1]), 10)
            finally:
                serving.cancel()
                await asyncio.gather(serving, return_exceptions=True)

    return asyncio.run(run())


async def exchanged(port: int, sent: bytes, until: bytes, times: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, family=socket.AF_INET)
    writer.write(sent)
    found = b""
    while found.count(until) < times:
        found += await reader.readuntil(until)
    writer.close()
    await writer.wait_closed()
    return found


def test_requests_one_after_another_on_one_connection_are_answered_in_order() -> None:
    async def talk(port: int) -> bytes:
        asks = ASK.replace(b"POST / ", b"POST /slow ") + ASK
        return await exchanged(port, asks, b"0\r\n\r\n", 2)

    found = served(talk)
    assert found.count(b"HTTP/1.1 200 OK") == 2
    assert found.count(b"2\r\nok\r\n1\r\n.\r\n0\r\n\r\n") == 2


def test_a_connection_that_is_to_close_closes_after_the_answer() -> None:
    async def talk(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(ASK.replace(b"Host: a", b"Host: a\r\nConnection: close"))
        found = await reader.read()
        writer.close()
        await writer.wait_closed()
        return found

    assert served(talk).endswith(b"2\r\nok\r\n1\r\n.\r\n0\r\n\r\n")


def test_who_expects_to_be_told_to_continue_is_told() -> None:
    async def talk(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head, body = ASK.replace(b"Host: a", b"Host: a\r\nExpect: 100-continue"), b"ok"
        writer.write(head.removesuffix(body))
        told = await reader.readuntil(b"\r\n\r\n")
        writer.write(body)
        told += await reader.readuntil(b"0\r\n\r\n")
        writer.close()
        await writer.wait_closed()
        return told

    found = served(talk)
    assert found.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


async def telling(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers whether the whole body had come when the request began."""
    if scope["type"] == "lifespan":
        await live(receive, send)
        return
    told = b"whole" if WHOLE in scope else b"more to come"
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": told})


@pytest.mark.parametrize("apart", [False, True])
def test_a_body_that_came_whole_is_told_from_one_that_is_still_to_come(*, apart: bool) -> None:
    async def talk(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head, body = ASK.removesuffix(b"ok"), b"ok"
        writer.write(head if apart else head + body)
        if apart:
            await asyncio.sleep(0.05)
            writer.write(body)
        found = await reader.readuntil(b"0\r\n\r\n")
        writer.close()
        await writer.wait_closed()
        return found

    assert (b"more to come" if apart else b"whole") in served(talk, telling)
