"""The routes of alerts and silences, with what they are asked and what they answer."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from fedsight.collector.alerts import table
from fedsight.collector.alerts.alert import Alert, AlertRecord, AlertState
from fedsight.collector.alerts.finding import Severity
from fedsight.collector.alerts.kinds import KINDS, AlertKind
from fedsight.collector.alerts.options import AlertOptions
from fedsight.collector.alerts.running import Notifiers
from fedsight.collector.alerts.silences import (
    AlertSilence,
    Moment,
    NewSilence,
    silence_page,
    silencing,
    standing,
)
from fedsight.collector.http.parameters import Limit, Offset, moment
from fedsight.collector.running import Collector
from fedsight.door.body import read_struct
from fedsight.door.endpoint import Endpoint, Nothing
from fedsight.door.refusal import BadFieldError, RefusedError
from fedsight.door.times import now_ns
from fedsight.signals import Text

BODY_BYTES = 64 * 2**10
LARGEST_ID = 2**62
COUNTED_DAYS = 30
DAY = 86_400 * 10**9


class AlertsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which alerts: those that were there at some time from `from` to before `to`."""

    state: AlertState | None = None
    run: Text | None = None
    type: Text | None = None
    severity: Severity | None = None
    start: Moment | None = msgspec.field(name="from", default=None)
    end: Moment | None = msgspec.field(name="to", default=None)
    limit: Limit = 100
    offset: Offset = 0


class SilencesQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which silences."""

    limit: Limit = 100
    offset: Offset = 0


class Acknowledge(Struct, frozen=True, forbid_unknown_fields=True):
    """Who has seen an alert, and what they say."""

    by: Annotated[str, Meta(min_length=1, max_length=128)]
    comment: Annotated[str, Meta(max_length=1000)] = ""


class AlertPage(Struct, frozen=True):
    """Alerts, newest first; `total` counts all that match, `firing` all that fire."""

    alerts: list[Alert]
    total: int
    firing: int


class SilencePage(Struct, frozen=True):
    """Silences, newest first, and how many there are."""

    silences: list[AlertSilence]
    total: int


class AlertRule(Struct, frozen=True):
    """What makes alerts of a type, and how many fired, and were acknowledged, in 30 days."""

    type: str
    severity: Severity
    fires_when: str
    fired: int
    acknowledged: int


class AlertRules(Struct, frozen=True):
    """All rules, and whom alerts are sent to."""

    rules: list[AlertRule]
    notifiers: Notifiers


async def alerts(collector: Collector, _: Request, query: AlertsQuery) -> Response:
    """Alerts, newest first."""
    start, end = moment("from", query.start), moment("to", query.end)
    if start is not None and end is not None and start > end:
        raise BadFieldError("from", "must not be after to")
    which = table.AlertFilter(
        query.state,
        query.run,
        query.type,
        query.severity,
        start,
        end,
        query.limit,
        query.offset,
    )

    def answer(db: sqlite3.Connection) -> AlertPage:
        found, total = table.page(db, which)
        return AlertPage(_told(db, found), total, table.counted(db, "firing"))

    return await _read(collector, answer)


def _told(db: sqlite3.Connection, records: list[AlertRecord]) -> list[Alert]:
    now = now_ns()
    silences = standing(db, now)
    return [
        record.told(None if record.state == "resolved" else silencing(silences, record, now))
        for record in records
    ]


async def alert(collector: Collector, request: Request, _: Nothing) -> Response:
    """One alert."""
    number = _number(request, "alert")

    def answer(db: sqlite3.Connection) -> Alert:
        found = table.by_id(db, number)
        if found is None:
            raise RefusedError(404, "not_found", f"there is no alert {number}")
        return _told(db, [found])[0]

    return await _read(collector, answer)


async def acknowledge_alert(collector: Collector, request: Request, _: Nothing) -> Response:
    """Note who has seen an alert; a later note takes the place of an earlier one."""
    number = _number(request, "alert")
    body = await read_struct(request, BODY_BYTES, Acknowledge)
    return _json(await collector.alerting.alerts.acknowledge(number, body.by, body.comment))


async def silences(collector: Collector, _: Request, query: SilencesQuery) -> Response:
    """Silences, newest first, also those that are over."""

    def answer(db: sqlite3.Connection) -> SilencePage:
        found, total = silence_page(db, query.limit, query.offset)
        return SilencePage([record.told() for record in found], total)

    return await _read(collector, answer)


async def make_silence(collector: Collector, request: Request, _: Nothing) -> Response:
    """Hold back messages about alerts that match."""
    body = await read_struct(request, BODY_BYTES, NewSilence)
    return _json(await collector.alerting.alerts.silence(body), 201)


async def end_silence(collector: Collector, request: Request, _: Nothing) -> Response:
    """End a silence; what it held back is sent now."""
    return _json(await collector.alerting.alerts.unsilence(_number(request, "silence")))


async def alert_rules(collector: Collector, _: Request, __: Nothing) -> Response:
    """What makes alerts, and whom they are sent to."""
    alerting = collector.alerting

    def answer(db: sqlite3.Connection) -> AlertRules:
        counted = table.counted_by_type(db, now_ns() - COUNTED_DAYS * DAY)
        known = _kinds(alerting.options)
        rules = [
            AlertRule(name, kind.severity, kind.fires_when, *counted.get(name, (0, 0)))
            for name, kind in known.items()
        ]
        return AlertRules(rules, alerting.notifiers(db))

    return await _read(collector, answer)


def _kinds(options: AlertOptions) -> dict[str, AlertKind]:
    own = {rule.name: AlertKind(rule.severity, rule.fires_when) for rule in options.rules}
    return KINDS | own


def _number(request: Request, what: str) -> int:
    """The id in the path; 404 for what is none."""
    text: str = request.path_params[what]
    if not (text.isascii() and text.isdecimal()) or len(text) > 19 or int(text) > LARGEST_ID:
        raise RefusedError(404, "not_found", f"there is no {what} {text!r:.60}")
    return int(text)


async def _read(collector: Collector, question: Callable[[sqlite3.Connection], Any]) -> Response:
    encoded = await collector.readers.ask(lambda db: msgspec.json.encode(question(db)))
    return Response(encoded, media_type="application/json")


def _json(answer: Struct, status: int = 200) -> Response:
    return Response(msgspec.json.encode(answer), status, media_type="application/json")


ALERT = "/api/v1/alerts/{alert}"
SILENCES = "/api/v1/silences"
CHANGE = (400, 408, 413, 415, 422, 503, 507)

ENDPOINTS = (
    Endpoint("GET", "/api/v1/alerts", alerts, AlertsQuery, (AlertPage,), errors=(422,)),
    Endpoint("GET", "/api/v1/alerts/rules", alert_rules, Nothing, (AlertRules,)),
    Endpoint("GET", ALERT, alert, Nothing, (Alert,), errors=(404,)),
    Endpoint(
        "POST",
        f"{ALERT}/acknowledge",
        acknowledge_alert,
        Nothing,
        (Alert,),
        Acknowledge,
        (404, *CHANGE),
    ),
    Endpoint("GET", SILENCES, silences, SilencesQuery, (SilencePage,), errors=(422,)),
    Endpoint(
        "POST",
        SILENCES,
        make_silence,
        Nothing,
        (AlertSilence,),
        NewSilence,
        (409, *CHANGE),
        status=201,
    ),
    Endpoint(
        "DELETE",
        f"{SILENCES}/{{silence}}",
        end_silence,
        Nothing,
        (AlertSilence,),
        errors=(404, 503, 507),
    ),
)
