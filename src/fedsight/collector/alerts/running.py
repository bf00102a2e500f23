"""The parts of alerting, and how they begin and end together."""

from __future__ import annotations

import asyncio
import sqlite3

from msgspec import Struct

from fedsight.collector.alerts import outbox
from fedsight.collector.alerts.alertmanager import Alertmanagers
from fedsight.collector.alerts.alerts import Alerts
from fedsight.collector.alerts.evaluating import Evaluating, Search
from fedsight.collector.alerts.events import EventRules, remembered
from fedsight.collector.alerts.options import AlertOptions
from fedsight.collector.alerts.webhooks import Webhooks
from fedsight.collector.ending import end_loops
from fedsight.collector.ingest import Ingest
from fedsight.collector.store.readers import Readers


class Notifiers(Struct, frozen=True):
    """Whom alerts are sent to; `waiting` messages are still to be sent to webhooks, and `error`
    says what does not arrive, None where all does."""

    webhooks: int
    alertmanager: bool
    waiting: int
    error: str | None


class Alerting:
    """Alerts, the operator's rules, and whom they are sent to. Make it in the event loop."""

    def __init__(self, ingest: Ingest, readers: Readers, options: AlertOptions, store: str) -> None:
        self.options = options
        self.alerts = Alerts(ingest, readers, options)
        self._ingest, self._readers = ingest, readers
        self.webhooks = Webhooks(ingest, readers, options, store)
        self.alertmanagers = Alertmanagers(readers, options)
        self.alerts.on_news += [self.webhooks.wake, self.alertmanagers.wake]
        self.rules: Evaluating | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, search: Search) -> None:
        """Begin; `search` is what the operator's rules ask."""
        running = [self.alerts.run(), self.webhooks.run(), self.alertmanagers.run()]
        if self.options.rules:
            pause = self.options.rule_seconds
            self.rules = Evaluating(self.options.rules, pause, search, self.alerts)
            running.append(self.rules.run())
        self._ingest.taps.append(EventRules(self.alerts).tap)
        running.append(self._remember())
        self._tasks = [asyncio.create_task(part) for part in running]

    async def _remember(self) -> None:
        """Report what events told before the start, once."""
        self.alerts.report(await self._readers.ask(remembered))

    async def close(self) -> None:
        """End; what was found is written, and what is still to be sent waits in the store."""
        await end_loops(*self._tasks)
        await self.alerts.finish()

    def notifiers(self, db: sqlite3.Connection) -> Notifiers:
        """Whom alerts are sent to, how many messages wait, and what does not arrive."""
        options, parts = self.options, (self.webhooks.error, self.alertmanagers.error)
        error = "; ".join(part for part in parts if part) or None
        hooks, managers = len(options.webhooks), bool(options.alertmanagers)
        return Notifiers(hooks, managers, outbox.waiting(db), error)

    @property
    def error(self) -> str | None:
        """What does not work; None while all does."""
        rules = None if self.rules is None else self.rules.error
        dropped = self.alerts.dropped
        lost = f"{dropped} findings were dropped, too many at once" if dropped else None
        parts = (self.alerts.error, rules, self.webhooks.error, self.alertmanagers.error, lost)
        return "; ".join(part for part in parts if part) or None
