"""The present in Redis, for several processes; while it is away, what this process knows itself.

Keys are `current:COMPONENT` (300 s) and `aggregated:TIMEFRAME` (60 s), as other tools of the field
name them. Word of what is new goes over the channel `fedsight:STORE:events`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fedsight.collector.current.contract import AGGREGATED_SECONDS, STATE_SECONDS
from fedsight.collector.current.memory import Clock, MemoryCurrent

logger = logging.getLogger(__name__)
Answer = TypeVar("Answer")

#: Seconds that one command may take.
DEADLINE = 1.0
#: Seconds between two looks whether Redis is there.
LOOK = 1.0
STATE, AGGREGATE = "current:", "aggregated:"


@dataclass(frozen=True)
class RedisAddress:
    """Where a Redis is. The password shows in no representation."""

    host: str = "localhost"
    port: int = 6379
    password: str = field(default="", repr=False)
    tls: bool = False

    def __str__(self) -> str:
        return f"Redis at {self.host}:{self.port}"


@dataclass
class RedisCounts:
    """What was done since the start: commands answered, commands failed, words sent and heard."""

    commands: int = 0
    failures: int = 0
    announced: int = 0
    heard: int = 0


class RedisCurrent:
    """As `States`, `Aggregates` and `Word`. `run` must run.

    Nothing waits for a Redis that is away: `put` keeps the newest of each component here, at most
    as many as `MemoryCurrent` holds, and all of them go there once it is back.
    """

    def __init__(self, address: RedisAddress, store_id: str, clock: Clock = time.monotonic) -> None:
        self._address = address
        self._channel = f"fedsight:{store_id}:events"
        self._redis = _client(address)
        self._local = MemoryCurrent(clock)
        self._newest: int | None = None
        self._news = asyncio.Event()
        self._owing = False
        self.counts = RedisCounts()
        #: Why it cannot be reached; None while it can.
        self.error: str | None = None

    async def put(self, component: str, state: bytes) -> None:
        """As `States.put`."""
        await self._local.put(component, state)
        sent = await self._tried(
            lambda: self._redis.set(STATE + component, state, px=_milliseconds(STATE_SECONDS))
        )
        self._owing |= sent is None

    async def get(self, component: str) -> bytes | None:
        """As `States.get`; what this process put last where Redis is away."""
        found: bytes | None = await self._tried(lambda: self._redis.get(STATE + component))
        return found if self.error is None else await self._local.get(component)

    async def keep(self, timeframe: str, answer: bytes) -> None:
        """As `Aggregates.keep`."""
        await self._local.keep(timeframe, answer)
        await self._tried(
            lambda: self._redis.set(
                AGGREGATE + timeframe, answer, px=_milliseconds(AGGREGATED_SECONDS)
            )
        )

    async def aggregated(self, timeframe: str) -> bytes | None:
        """As `Aggregates.aggregated`; what this process kept where Redis is away."""
        found: bytes | None = await self._tried(lambda: self._redis.get(AGGREGATE + timeframe))
        return found if self.error is None else await self._local.aggregated(timeframe)

    def announce(self, event_id: int) -> None:
        """As `Word.announce`; of several before the next turn the newest is told."""
        self._newest = event_id
        self._news.set()

    async def run(self) -> None:
        """Tell what is announced, and see when Redis goes and comes, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(LOOK):
                    await self._news.wait()
            except TimeoutError:
                await self.ping()
            if self.error is None and self._owing:
                await self._catch_up()
            if self.error is None and self._news.is_set():
                await self._tell()
            elif self.error is not None:
                await asyncio.sleep(LOOK)
                await self.ping()

    async def _tell(self) -> None:
        self._news.clear()
        told = await self._tried(lambda: self._redis.publish(self._channel, str(self._newest)))
        if told is None:
            self._news.set()
        else:
            self.counts.announced += 1

    async def _catch_up(self) -> None:
        """Bring the states that were told while it was away."""
        self._owing = False
        for component, (seconds, state) in self._local.states.left().items():
            left = max(1, _milliseconds(seconds))
            if await self._set_state(component, state, left) is None:
                self._owing = True
                return

    async def _set_state(self, component: str, state: bytes, left: int) -> Any:
        return await self._tried(lambda: self._redis.set(STATE + component, state, px=left))

    async def ping(self) -> None:
        """Reach it, or learn that it is away."""
        self.error = None
        await self._tried(self._redis.ping)

    async def listen(self, woken: Callable[[], object]) -> None:
        """As `Word.listen`; while Redis is away `woken` is called every second all the same."""
        from redis.exceptions import RedisError

        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as heard:
                    async with asyncio.timeout(DEADLINE):
                        await heard.subscribe(self._channel)
                    woken()  # what was said before
                    while True:
                        async with asyncio.timeout(LOOK + DEADLINE):  # to connect anew, too
                            said = await heard.get_message(timeout=LOOK)
                        if said is not None:
                            self.counts.heard += 1
                            woken()
            except (RedisError, OSError, TimeoutError):
                woken()
                await asyncio.sleep(LOOK)

    async def _tried(self, command: Callable[[], Awaitable[Answer]]) -> Answer | None:
        """What Redis answers; None where it is away, or was when it was tried last."""
        from redis.exceptions import RedisError

        if self.error is not None:
            return None
        try:
            async with asyncio.timeout(DEADLINE):
                answer = await command()
        except (RedisError, OSError, TimeoutError) as error:
            self.counts.failures += 1
            self.error = f"{self._address} cannot be reached: {type(error).__name__}"
            return None
        self.counts.commands += 1
        return answer

    async def close(self) -> None:
        """Let go of the connections."""
        await self._redis.aclose()


def _client(address: RedisAddress) -> Any:
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    return Redis(
        host=address.host,
        port=address.port,
        password=address.password or None,
        ssl=address.tls,
        socket_connect_timeout=DEADLINE,
        # Its own deadline is `asyncio.wait_for`, which before Python 3.12 may swallow a
        # cancellation; every command here has one already.
        socket_timeout=None,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
        max_connections=16,
    )


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
