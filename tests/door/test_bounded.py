"""A head that is too long, or never ends, ends the connection and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from fedsight.door.bounded import Bounded

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
BEGUN = b"GET / HTTP/1.1\r\nHost: a\r\n"


class Strict(Bounded):
    """So strict that a test need not wait."""

    head_bytes = 4096
    head_seconds = 0.2


async def counted(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


@asynccontextmanager
async def connected() -> AsyncIterator[Callable[[], Awaitable[Streams]]]:
    app = Starlette(routes=[Route("/", counted, methods=["GET", "POST"])])
    config = uvicorn.Config(app, port=0, http=Strict, ws="none", lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve())
    while not server.started and not task.done():
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    opened: list[asyncio.StreamWriter] = []

    async def connect() -> Streams:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        opened.append(writer)
        return reader, writer

    try:
        yield connect
    finally:
        for writer in opened:
            writer.close()
        server.should_exit = True
        await task


def told(pieces: list[bytes]) -> bytes:
    """What a connection that sends these is told until it is closed."""

    async def tell() -> bytes:
        async with connected() as connect:
            reader, writer = await connect()
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0.01)
            return await asyncio.wait_for(reader.read(), 10)

    return asyncio.run(tell())


@pytest.mark.parametrize(
    "pieces",
    [
        [b"GET /" + b"a" * 1000] + [b"a" * 1000] * 4,
        [BEGUN] + [b"X: " + b"a" * 1000 + b"\r\n"] * 5,
        [BEGUN, b"X: "] + [b"a" * 1000] * 5,
    ],
    ids=["address", "headers", "one header"],
)
def test_a_head_that_is_too_long_is_refused(pieces: list[bytes]) -> None:
    answer = told(pieces)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"at most 4096 bytes" in answer


def test_what_follows_a_chunked_body_is_bounded_too() -> None:
    chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n"
    assert told([chunked] + [b"X: " + b"a" * 1000 + b"\r\n"] * 5) == b""


@pytest.mark.parametrize("pieces", [[], [b"GET / HT"], [BEGUN + b"\r\n", b"GET /"]])
def test_a_head_that_does_not_come_is_waited_for_so_long(pieces: list[bytes]) -> None:
    assert b"HTTP/1.1 408 " in told(pieces)


def test_bodies_may_be_long_and_requests_follow_each_other() -> None:
    async def story() -> list[bytes]:
        async with connected() as connect:
            reader, writer = await connect()
            answers = []
            for _ in range(3):
                head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n"
                writer.write(head + b"b" * 300_000)
                await reader.readuntil(b"\r\n\r\n")
                answers.append(await reader.readexactly(6))
            return answers

    assert asyncio.run(story()) == [b"300000"] * 3
