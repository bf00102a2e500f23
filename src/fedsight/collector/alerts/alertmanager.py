"""Tells Prometheus's Alertmanager which alerts fire, again and again, as Prometheus itself does.

`POST /api/v2/alerts` (https://prometheus.io/docs/alerting/latest/clients/): what fires is sent at
every turn with an end a few turns ahead, so that an Alertmanager that hears nothing more resolves
it by itself; what was resolved is sent with its end for a quarter of an hour more, so that one that
was restarted meanwhile hears of it. Nothing is kept for it here: each turn tells the whole state.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from fedsight.collector.alerts import table
from fedsight.collector.alerts.alert import AlertRecord
from fedsight.collector.alerts.options import AlertOptions
from fedsight.collector.alerts.words import figure
from fedsight.collector.store.readers import Readers
from fedsight.door.times import now_ns, rfc3339

if TYPE_CHECKING:
    import httpx

logger = logging.getLogger(__name__)

SECOND = 10**9
#: How long after its end an alert is told.
RESOLVED_SECONDS = 900
#: Turns that an alert goes on for where nothing more is heard of it.
TURNS_AHEAD = 4
#: Alerts in one request.
PAGE = 500
NO_LABEL = re.compile(r"[^A-Za-z0-9_]")


class PostableAlert(Struct, frozen=True, rename="camel"):
    """An alert as Alertmanager takes it."""

    labels: dict[str, str]
    annotations: dict[str, str]
    starts_at: str
    ends_at: str


def postable(record: AlertRecord, now: int, ahead_seconds: float) -> PostableAlert:
    """An alert for Alertmanager: what tells it from others as labels, all else as annotations."""
    labels = {label_name(name): text for name, text in record.labels.items()}
    labels |= {"alertname": record.type, "severity": record.severity, "key": record.key}
    labels |= {
        name: text
        for name, text in (("run", record.run), ("node", record.node))
        if text is not None
    }
    starts = min(record.fired or record.started, now)
    ahead = now + int(ahead_seconds * SECOND)
    ends = ahead if record.resolved is None else max(min(record.resolved, now), starts + 1000)
    return PostableAlert(labels, _annotations(record), rfc3339(starts), rfc3339(ends))


def label_name(name: str) -> str:
    """A label's name as Prometheus allows it: what it does not have becomes an underscore."""
    return NO_LABEL.sub("_", name)


def _annotations(record: AlertRecord) -> dict[str, str]:
    low, high = record.expected_low, record.expected_high
    between = None if low is None or high is None else f"{figure(low)} to {figure(high)}"
    figures = {
        "current_value": record.current_value,
        "threshold": record.threshold,
        "baseline": record.baseline,
        "expected_range": between,
        "round": record.round,
    }
    told = {
        name: figure(known) if isinstance(known, float) else str(known)
        for name, known in figures.items()
        if known is not None
    }
    return {"summary": record.message, **told}


def newest(records: Sequence[AlertRecord]) -> list[AlertRecord]:
    """Of alerts in their order the last of each key: one that was resolved has the labels of the
    one that fires since, and would end that one for a moment."""
    return list({record.key: record for record in records}.values())


class Alertmanagers:
    """Tells every Alertmanager at every turn. Make it in the event loop."""

    def __init__(self, readers: Readers, options: AlertOptions) -> None:
        self._readers = readers
        self._options = options
        self._client: httpx.AsyncClient | None = None
        self._woken = {url: asyncio.Event() for url in options.alertmanagers}
        self._errors: dict[str, str] = {}
        self.sent = 0
        self.failed = 0

    @property
    def error(self) -> str | None:
        """Which of them did not take the last turn, and why; None where all did."""
        return "; ".join(self._errors.values()) or None

    def wake(self) -> None:
        """Say that there is news; from the event loop only."""
        for event in self._woken.values():
            event.set()

    async def run(self) -> None:
        """Tell until cancelled."""
        try:
            await asyncio.gather(*(self._serve(url) for url in self._woken))
        finally:
            if self._client is not None:
                await self._client.aclose()

    async def _serve(self, url: str) -> None:
        woken = self._woken[url]
        while True:
            woken.clear()
            try:
                await self._turn(url)
                self._errors.pop(url, None)
            except Exception as error:  # the next turn tells all again
                self.failed += 1
                problem = str(error) or type(error).__name__
                if url not in self._errors:
                    logger.warning("Alertmanager at %s hears nothing: %s", url, problem)
                self._errors[url] = f"{url}: {problem}"
            with suppress(TimeoutError):
                async with asyncio.timeout(self._options.resend_seconds):
                    await woken.wait()

    async def _turn(self, url: str) -> None:
        now = now_ns()
        records = await self._readers.ask(
            lambda db: table.told_to_others(db, now - RESOLVED_SECONDS * SECOND)
        )
        ahead = TURNS_AHEAD * self._options.resend_seconds
        alerts = [postable(record, now, ahead) for record in newest(records)]
        refused = []
        for at in range(0, len(alerts), PAGE):
            part = alerts[at : at + PAGE]
            status = await self._post(url, part)
            # What refuses one alert, and takes the others with it, must not hold up the next page.
            if status == 200:
                self.sent += len(part)
            else:
                refused.append(status)
        if refused:
            raise OSError(f"it answered {refused[0]}")

    async def _post(self, url: str, alerts: list[PostableAlert]) -> int:
        """The status of the answer."""
        client = await self._asking()
        address = f"{url.rstrip('/')}/api/v2/alerts"
        content = msgspec.json.encode(alerts)
        headers = {"Content-Type": "application/json"}
        async with (
            asyncio.timeout(self._options.answer_seconds),
            client.stream("POST", address, content=content, headers=headers) as reply,
        ):
            return reply.status_code

    async def _asking(self) -> httpx.AsyncClient:
        if self._client is None:
            from fedsight.door.outbound import outbound_client

            self._client = await asyncio.to_thread(outbound_client)
        return self._client
