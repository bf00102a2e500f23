"""Memory and Redis keep the same contracts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from redis.asyncio import Redis

from fedsight.collector.current.contract import MOST
from fedsight.collector.current.memory import MemoryCurrent
from fedsight.collector.current.remote import RedisCurrent
from tests.collector.current.redis_server import RedisServer

Current = MemoryCurrent | RedisCurrent


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    running = RedisServer(tmp_path_factory.mktemp("redis"))
    yield running
    running.stop()


@asynccontextmanager
async def running(current: Current) -> AsyncIterator[Current]:
    task = asyncio.create_task(current.run())
    try:
        yield current
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await current.close()


@pytest.fixture(params=["memory", "redis"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def told(kind: str, redis: RedisServer, story: Callable[[Current], Awaitable[None]]) -> None:
    async def tell() -> None:
        current = MemoryCurrent() if kind == "memory" else RedisCurrent(redis.address, "s-1")
        async with running(current):
            await story(current)

    asyncio.run(tell())


def test_the_newest_state_of_a_component_is_there(kind: str, redis: RedisServer) -> None:
    async def story(current: Current) -> None:
        await current.put("fl_server", b'{"round": 1}')
        await current.put("fl_server", b'{"round": 2}')
        await current.put("sdn_controller", b"{}")
        assert await current.get("fl_server") == b'{"round": 2}'
        assert await current.get("never_told") is None

    told(kind, redis, story)


def test_an_answer_over_a_timeframe_is_kept(kind: str, redis: RedisServer) -> None:
    async def story(current: Current) -> None:
        await current.keep("1h", b"[1]")
        assert await current.aggregated("1h") == b"[1]"
        assert await current.aggregated("2h") is None
        assert await current.get("1h") is None

    told(kind, redis, story)


def test_memory_forgets_what_is_no_longer_the_present() -> None:
    async def story() -> None:
        now = 0.0
        current = MemoryCurrent(lambda: now)
        await current.put("a", b"1")
        await current.keep("1h", b"2")
        now = 61.0
        assert await current.aggregated("1h") is None
        assert await current.get("a") == b"1"
        now = 301.0
        assert await current.get("a") is None

    asyncio.run(story())


def test_memory_holds_so_many_names_and_no_more() -> None:
    async def story() -> None:
        current = MemoryCurrent()
        for number in range(MOST + 1):
            await current.put(str(number), b"")
        assert await current.get("0") is None
        assert await current.get(str(MOST)) == b""

    asyncio.run(story())


def test_redis_forgets_by_itself_under_the_names_that_others_read(redis: RedisServer) -> None:
    async def story(current: Current) -> None:
        await current.put("fl_server", b"1")
        await current.keep("1h", b"2")
        async with Redis(port=redis.port) as other:
            assert 290 <= await other.ttl("current:fl_server") <= 300
            assert 50 <= await other.ttl("aggregated:1h") <= 60

    told("redis", redis, story)


def test_another_process_hears_that_there_is_something_new(redis: RedisServer) -> None:
    async def story(current: Current) -> None:
        woken = asyncio.Event()
        other = RedisCurrent(redis.address, "s-1")
        stranger = RedisCurrent(redis.address, "s-2")
        quiet: list[int] = []
        listening = asyncio.create_task(other.listen(woken.set))
        elsewhere = asyncio.create_task(stranger.listen(lambda: quiet.append(1)))
        await asyncio.wait_for(woken.wait(), 5)  # once at its beginning
        for event in range(3):
            woken.clear()
            current.announce(event)
            await asyncio.wait_for(woken.wait(), 5)
        assert quiet == [1]
        for task in (listening, elsewhere):
            task.cancel()
        await asyncio.gather(listening, elsewhere, return_exceptions=True)
        await other.close()
        await stranger.close()

    told("redis", redis, story)


def test_redis_may_be_gone_for_a_while(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)

    async def story() -> None:
        current = RedisCurrent(server.address, "s-1")
        woken: list[int] = []
        async with running(current):
            listening = asyncio.create_task(current.listen(lambda: woken.append(1)))
            await current.put("fl_server", b"1")
            server.stop()
            await current.put("fl_server", b"2")
            assert current.error is not None
            assert "cannot be reached" in current.error
            assert await current.get("fl_server") == b"2"
            assert await current.get("host") is None
            current.announce(7)
            before = len(woken)
            await until(lambda: len(woken) > before + 1)  # the store is looked at all the same
            server.start()
            await until(lambda: current.error is None)
            async with Redis(port=server.port) as other:
                await until_async(lambda: other.get("current:fl_server"), b"2")
                await until(lambda: current.counts.announced == 1)
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    try:
        asyncio.run(story())
    finally:
        server.stop()


@pytest.mark.parametrize("work", ["run", "listen"])
def test_a_cancellation_ends_it_at_whatever_moment_it_comes(redis: RedisServer, work: str) -> None:
    async def ended(turns: int) -> bool:
        current = RedisCurrent(redis.address, "s-1")
        await current.ping()
        current.announce(1)
        task = asyncio.create_task(current.run() if work == "run" else current.listen(lambda: None))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        done, pending = await asyncio.wait({task}, timeout=0.5)
        for each in pending:
            each.cancel()
        await asyncio.wait({task})
        await current.close()
        return bool(done)

    async def story() -> list[int]:
        return [turns for turns in range(1, 30) if not await ended(turns)]

    assert asyncio.run(story()) == []


def test_a_wrong_password_is_an_error_that_does_not_show_it(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, password="open")

    async def story() -> None:
        address = server.address.__class__("127.0.0.1", server.port, "hunter2")
        assert "hunter2" not in repr(address)
        current = RedisCurrent(address, "s-1")
        await current.ping()
        assert current.error is not None
        assert "hunter2" not in current.error
        await current.close()
        right = RedisCurrent(server.address, "s-1")
        await right.ping()
        assert right.error is None
        await right.close()

    try:
        asyncio.run(story())
    finally:
        server.stop()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.02)


async def until_async(ask: Callable[[], Awaitable[object]], wanted: bytes) -> None:
    async with asyncio.timeout(20):
        while await ask() != wanted:
            await asyncio.sleep(0.02)
