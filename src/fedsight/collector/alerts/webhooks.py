"""Sends alerts to webhooks: each message in order, until it arrives, at least once.

The body is documented in docs/alerts.md. With a secret, `Fedsight-Signature` is
`t=SECONDS,v1=HEX`: the HMAC-SHA256 (RFC 2104) of `SECONDS.BODY`, so that a receiver can tell both
who sent it and that it is not an old one sent again.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw, Struct

from fedsight import __version__
from fedsight.collector.alerts import outbox
from fedsight.collector.alerts.options import AlertOptions, Webhook
from fedsight.collector.ingest import Ingest
from fedsight.collector.store.readers import Readers
from fedsight.door.times import now_ns, rfc3339

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger(__name__)

SECOND = 10**9
LONGEST_PAUSE_SECONDS = 600.0
SIGNATURE = "Fedsight-Signature"


class WebhookBody(Struct, frozen=True):
    """What a webhook is sent. `id` is the same each time that one message is sent."""

    version: int
    id: str
    event: str
    attempt: int
    sent: str
    alert: Raw


def signature(secret: str, body: bytes, seconds: int) -> str:
    """The value of the signature's header for a body sent at `seconds` (Unix)."""
    signed = hmac.new(secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256)
    return f"t={seconds},v1={signed.hexdigest()}"


def pause_after(attempts: int, first: float) -> float:
    """Seconds until the next attempt: twice as many after each, up to LONGEST_PAUSE_SECONDS."""
    return float(min(first * 2.0 ** min(attempts, 30), LONGEST_PAUSE_SECONDS))


class Webhooks:
    """One line of messages for each webhook, so that one that is away holds up no other.

    `store` is the id of the store, from which ids of messages are made. Make it in the event loop.
    """

    def __init__(self, ingest: Ingest, readers: Readers, options: AlertOptions, store: str) -> None:
        self._ingest = ingest
        self._readers = readers
        self._options = options
        self._store = store
        self._client: httpx.AsyncClient | None = None
        self._woken = {hook.target: asyncio.Event() for hook in options.webhooks}
        self._errors: dict[str, str] = {}
        #: Messages that arrived, of which the store could not take note: not to be sent again.
        self._arrived: dict[str, int] = {}
        self.sent = 0
        self.failed = 0
        self.given_up = 0

    @property
    def error(self) -> str | None:
        """Which webhooks did not take their last message, and why; None where all did."""
        return "; ".join(self._errors.values()) or None

    def wake(self) -> None:
        """Say that there may be messages; from the event loop only."""
        for event in self._woken.values():
            event.set()

    async def run(self) -> None:
        """Send until cancelled."""
        serving = (self._serve(hook) for hook in self._options.webhooks)
        try:
            await asyncio.gather(self._forget_others(), *serving)
        finally:
            if self._client is not None:
                await self._client.aclose()

    async def _forget_others(self) -> None:
        """Forget what waits for webhooks that are none any more."""
        targets = [hook.target for hook in self._options.webhooks]
        while True:
            try:
                await self._change(partial(outbox.forget_others, targets=targets))
                return
            except Exception as error:  # a disk that is full at the start must not end the others
                logger.warning("messages to former webhooks stay for now: %s", error)
                await asyncio.sleep(self._options.retry_seconds)

    async def _serve(self, hook: Webhook) -> None:
        woken = self._woken[hook.target]
        while True:
            woken.clear()
            try:
                pause = await self._step(hook)
            except Exception as error:  # a line of messages must outlive a full disk
                logger.warning("messages to %s wait: %s", hook.place, error)
                pause = self._options.retry_seconds
            if pause is None or pause > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await woken.wait()

    async def _step(self, hook: Webhook) -> float | None:
        """Send one message that is due; the seconds to wait then, None where nothing waits."""
        message = await self._readers.ask(lambda db: outbox.first_of(db, hook.target))
        if message is None:
            return None
        now = now_ns()
        # A clock that was set back must not hold a message up for longer than a pause.
        wait = (message.due - now) / SECOND
        if 0 < wait <= LONGEST_PAUSE_SECONDS:
            return wait
        if self._arrived.get(hook.target) != message.id:
            problem = await self._post(hook, message)
            if problem is not None:
                return await self._failed(hook, message, problem)
            self.sent += 1
            self._errors.pop(hook.target, None)
            self._arrived[hook.target] = message.id
        await self._change(partial(outbox.sent, number=message.id))
        return 0.0

    async def _failed(self, hook: Webhook, message: outbox.Message, problem: str) -> float:
        """Note that a message did not arrive; the seconds to wait then."""
        now = now_ns()
        self.failed += 1
        self._errors[hook.target] = f"{hook.place} {problem}"
        if now - message.created > self._options.give_up_seconds * SECOND:
            await self._change(partial(outbox.sent, number=message.id))
            # Only now: where the store takes no note it is tried again, and is given up once.
            self.given_up += 1
            logger.warning("gave up sending an alert to %s: it %s", hook.place, problem)
            return 0.0
        pause = pause_after(message.attempts, self._options.retry_seconds)
        due = now + int(pause * SECOND)
        await self._change(partial(outbox.postponed, message=message, due=due))
        return pause

    async def _change(self, work: partial[None]) -> None:
        await asyncio.wrap_future(self._ingest.change(work))

    async def _post(self, hook: Webhook, message: outbox.Message) -> str | None:
        """Why a message did not arrive; None where it did."""
        client = await self._asking()
        import httpx

        now = now_ns()
        body = WebhookBody(
            1,
            f"{self._store}-{message.id}",
            message.event,
            message.attempts + 1,
            rfc3339(now),
            Raw(message.alert.encode()),
        )
        content = msgspec.json.encode(body)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"fedsight/{__version__}",
            "Fedsight-Message": body.id,
        }
        if self._options.webhook_secret:
            seconds = now // SECOND
            headers[SIGNATURE] = signature(self._options.webhook_secret, content, seconds)
        try:
            # Streamed and closed: of its answer only the status is read.
            async with (
                asyncio.timeout(self._options.answer_seconds),
                client.stream("POST", hook.url, content=content, headers=headers) as reply,
            ):
                status = reply.status_code
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            # Not its text, which may name the address with its secrets.
            return f"cannot be reached ({type(error).__name__})"
        return None if 200 <= status < 300 else f"answered {status}"

    async def _asking(self) -> httpx.AsyncClient:
        if self._client is None:
            from fedsight.door.outbound import outbound_client

            self._client = await asyncio.to_thread(outbound_client)
        return self._client
