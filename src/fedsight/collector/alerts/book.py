"""Changes of alerts within one transaction: rows, events and messages, all or none."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from functools import cached_property

from msgspec.structs import replace

from fedsight.collector.alerts import outbox, table
from fedsight.collector.alerts.alert import AlertRecord, json_of
from fedsight.collector.alerts.finding import Finding
from fedsight.collector.alerts.kinds import LASTING
from fedsight.collector.alerts.lifecycle import SECOND, followed, resolved
from fedsight.collector.alerts.options import AlertOptions
from fedsight.collector.alerts.silences import SilenceRecord, silencing, standing
from fedsight.door.refusal import RefusedError

#: Alerts that are not resolved at most: beyond that something else is wrong.
MOST_ACTIVE = 5000
DAY = 86_400 * SECOND
#: Runs of which nothing is measured any more.
RUN_IS_OVER = (
    "SELECT EXISTS (SELECT 1 FROM runs WHERE id = ? AND state NOT IN ('training', 'paused'))"
)


class Book:
    """One transaction's changes at `now` (ns); what they came to is in its counts.

    `closed` holds the keys of alerts that are no more active.
    """

    def __init__(self, db: sqlite3.Connection, options: AlertOptions, now: int) -> None:
        self._db = db
        self._options = options
        self._now = now
        self.closed: set[str] = set()
        self.fired = 0
        self.resolved = 0
        self.refused = 0
        self.queued = 0

    @cached_property
    def _silences(self) -> list[SilenceRecord]:
        return standing(self._db, self._now)

    @cached_property
    def _active(self) -> int:
        return table.counted(self._db, "pending") + table.counted(self._db, "firing")

    def take(self, findings: Iterable[Finding]) -> None:
        """Let findings change the alerts that they belong to, or begin some.

        None begins for a run that is over.
        """
        for finding in findings:
            record = table.active_of(self._db, finding.key)
            if record is None and finding.run is not None and self._is_over(finding.run):
                self.closed.add(finding.key)  # it would end at once, and come again at each look
                continue
            holding = self._options.holdings.of(finding.type)
            after = followed(record, finding, holding, self._now)
            if record is None:
                self._begin(finding.key, after)
            elif after is None:
                self._withdraw(record)
            else:
                self._change(record, after)

    def _begin(self, key: str, after: AlertRecord | None) -> None:
        if after is None:
            self.closed.add(key)
            return
        if self._active >= MOST_ACTIVE:
            self.refused += 1
            self.closed.add(key)
            return
        self._active += 1
        self.closed.discard(key)
        record = table.added(self._db, after)
        if record.state == "firing":
            self._fire(record)
        else:
            table.tell(self._db, "ALERT_PENDING", record, self._now)

    def _withdraw(self, record: AlertRecord) -> None:
        """It never fired: its row goes, so that what comes and goes does not fill the list."""
        table.remove(self._db, record)
        over = resolved(record, record.time)
        table.tell(self._db, "ALERT_RESOLVED", over, self._now)
        self._close(record.key)

    def _change(self, before: AlertRecord, after: AlertRecord) -> None:
        if after.state == "resolved":
            self._resolve(after)
        elif before.state == "pending" and after.state == "firing":
            self._fire(after)
        else:
            table.write(self._db, after)

    def _fire(self, record: AlertRecord) -> None:
        self.fired += 1
        silence = silencing(self._silences, record, self._now)
        record = replace(record, notified=silence is None)
        table.write(self._db, record)
        told = table.tell(self._db, "ALERT_FIRING", record, self._now, silence)
        if silence is None:
            self._send("firing", record, told)

    def _resolve(self, record: AlertRecord) -> None:
        self.resolved += 1
        table.write(self._db, record)
        told = table.tell(self._db, "ALERT_RESOLVED", record, self._now)
        if record.notified:
            self._send("resolved", record, told)
        self._close(record.key)

    def _close(self, key: str) -> None:
        self._active -= 1
        self.closed.add(key)

    def _send(self, event: str, record: AlertRecord, told: str) -> None:
        targets = [hook.target for hook in self._options.webhooks if hook.takes(record.severity)]
        outbox.put(self._db, targets, event, told, self._now)
        self.queued += 1

    def look_after(self, since: int) -> None:
        """What time brings: silences that end, runs that are over, alerts at which nobody looks.

        `since` is when this process began: what it was not there to see is not stale for that.
        """
        stale_before = self._now - int(self._options.stale_seconds * SECOND)
        for record in table.active(self._db):
            because = None
            if record.run is not None and self._is_over(record.run):
                because = "the run is over"
            elif _is_stale(record, since, stale_before):
                because = "nobody looked at it any more"
            if because is not None:
                self._end(record, because)
            elif record.state == "firing" and not record.notified:
                self._notify(record)
        table.trim(self._db, self._options.keep, self._oldest)

    @property
    def _oldest(self) -> int:
        return self._now - int(self._options.keep_days * DAY)

    def _is_over(self, run: str) -> bool:
        return bool(self._db.execute(RUN_IS_OVER, (run,)).fetchone()[0])

    def _end(self, record: AlertRecord, because: str) -> None:
        if record.state == "pending":
            self._withdraw(record)
        else:
            self._resolve(resolved(record, self._now, because))

    def _notify(self, record: AlertRecord) -> None:
        """Tell of an alert that was silenced when it fired and is not any more."""
        if silencing(self._silences, record, self._now) is None:
            told = replace(record, notified=True)
            table.write(self._db, told)
            self._send("firing", told, json_of(told))

    def needs_looking_after(self, since: int) -> bool:
        """Whether `look_after` would change something; for a connection that only reads."""
        stale_before = self._now - int(self._options.stale_seconds * SECOND)
        return table.has_superfluous(self._db, self._options.keep, self._oldest) or any(
            _is_stale(record, since, stale_before)
            or (record.run is not None and self._is_over(record.run))
            or (
                record.state == "firing"
                and not record.notified
                and silencing(self._silences, record, self._now) is None
            )
            for record in table.active(self._db)
        )

    def acknowledge(self, number: int, by: str, comment: str) -> AlertRecord:
        """Note who has seen an alert; RefusedError 404 where there is none."""
        record = table.by_id(self._db, number)
        if record is None:
            raise RefusedError(404, "not_found", f"there is no alert {number}")
        seen = replace(
            record,
            acknowledged_by=by,
            acknowledged_at=self._now,
            acknowledged_comment=comment,
        )
        table.write(self._db, seen)
        silence = silencing(self._silences, seen, self._now)
        table.tell(self._db, "ALERT_ACKNOWLEDGED", seen, self._now, silence)
        return seen


def _is_stale(record: AlertRecord, since: int, before: int) -> bool:
    """Whether nobody has looked for too long at what somebody is to look at."""
    return record.type not in LASTING and max(record.seen, since) < before
