"""Drafts and replays are looked at in processes beside the service: within a deadline, and off its
event loop, so that decisions do not wait for them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable

import msgspec

from fedsight.door.refusal import RefusedError, too_many
from fedsight.policy.request import Party
from fedsight.policy.trying import READY, Heard, Order, Tried
from fedsight.starting import command

#: So long a draft is looked at, and so long one waits for the draft before it.
TRY_SECONDS, WAIT_SECONDS = 5.0, 5.0
#: Until a process is ready; the machine may be busy.
_START_SECONDS = 30.0
#: The longest line of an answer.
_LINE_BYTES = 16 * 2**20


class Beside:
    """One process of `fedsight.policy.trying`. Use `asked` from one task at a time."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def ready(self) -> None:
        """Start it where it does not run. Raises RefusedError 503 where it does not come up."""
        if self._process is not None and self._process.returncode is None:
            return
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *command("fedsight.policy.trying"),
            stdin=pipe,
            stdout=pipe,
            limit=_LINE_BYTES,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(_START_SECONDS):
                said = await self._process.stdout.readline()
        except TimeoutError:
            said = b""
        if said != READY:
            await self.end()
            raise RefusedError(503, "busy", "what looks at drafts did not start; try again")

    async def asked(self, order: Order) -> AsyncIterator[Heard]:
        """What it answers, line by line. Raises RefusedError 503 where it ended before."""
        await self.ready()
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(msgspec.json.encode(order) + b"\n")
            await process.stdin.drain()
            while line := await process.stdout.readline():
                heard = msgspec.json.decode(line, type=Heard)
                yield heard
                if heard.last:
                    return
        except (ConnectionError, ValueError):
            pass  # its pipe broke, or a line was longer than any answer is
        await self.end()
        raise RefusedError(503, "stopped", "what looked at the set was ended")

    async def end(self) -> None:
        """End it with all that it started, and wait for it."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.communicate()


class Trier:
    """Looks at drafts, one at a time, in a process that stays."""

    def __init__(self, seconds: float = TRY_SECONDS, wait: float = WAIT_SECONDS) -> None:
        self._beside = Beside()
        self._turn = asyncio.Lock()
        self._seconds = seconds
        self._wait = wait

    async def tried(self, files: dict[str, str], who: Party | None = None) -> Tried:
        """What is to be said of a draft to whoever asks.

        Raises RefusedError: 429 where others wait longer, 503 where it takes too long.
        """
        async with self._alone():
            await self._beside.ready()
            found: Tried | None = None
            try:
                async with asyncio.timeout(self._seconds):
                    async for heard in self._beside.asked(_order(files, who)):
                        found = heard.tried
            except TimeoutError:
                await self._beside.end()
                message = (
                    f"the set could not be looked at within {self._seconds:g} s; make it smaller,"
                    " or try again when the machine has less to do"
                )
                raise RefusedError(503, "slow", message) from None
            except asyncio.CancelledError:
                await self._beside.end()
                raise
            if found is None:
                raise RefusedError(503, "stopped", "what looked at the set was ended")
            return found

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._wait):
                await self._turn.acquire()
        except TimeoutError:
            raise too_many("other drafts are being looked at", 1.0) from None
        try:
            yield
        finally:
            self._turn.release()

    async def close(self) -> None:
        """End the process."""
        await self._beside.end()


def _order(files: dict[str, str], who: Party | None) -> Order:
    if who is None:
        return Order(files)
    return Order(files, asker=who.id, roles=[group.id for group in who.groups])


async def heard_all(order: Order, tell: Callable[[float], None]) -> Heard:
    """What a process of its own answers to an order. It ends with that, or as this is cancelled."""
    beside = Beside()
    try:
        async for heard in beside.asked(order):
            if heard.last:
                return heard
            tell(heard.share or 0.0)
    finally:
        await beside.end()
    raise RefusedError(503, "stopped", "the replay was ended")
