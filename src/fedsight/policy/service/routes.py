"""What the routes that decide and tell answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from fedsight import __version__
from fedsight.door import exposition
from fedsight.door.body import read_body, read_struct
from fedsight.door.endpoint import Nothing
from fedsight.door.exposition import Family, Figure
from fedsight.door.refusal import BadFieldError, RefusedError
from fedsight.door.times import now_ns, rfc3339
from fedsight.policy.audit.witness import AUDIT_ANCHOR
from fedsight.policy.request import MOST_NAME, Party
from fedsight.policy.service import access, asked, rows
from fedsight.policy.service.callers import HOW, operator
from fedsight.policy.service.deciding import Answered
from fedsight.policy.service.kept import page
from fedsight.policy.service.serving import Serving

NAME = "fedsight-policy"
CHECK_BYTES = 2**20


def json(answer: Struct) -> Response:
    """A struct as JSON."""
    return Response(msgspec.json.encode(answer), media_type="application/json")


async def beside(make: Callable[[], Struct]) -> Response:
    """A struct as JSON, made and written out beside the event loop."""
    return await asyncio.to_thread(lambda: json(make()))


def caller(service: Serving, request: Request) -> Party:
    """Who asks. Whoever shows no token came past the door from this machine, to read; a token
    that does not count is none that was forgotten: it is refused."""
    shown = request.headers.get("authorization", "")
    found = service.tokens.who(shown)
    if found is None and shown:
        raise RefusedError(401, "unauthorized", f"the token that was shown does not count; {HOW}")
    return found or operator("local", service.options.local_roles)


async def about(_: Serving, __: Request, ___: Nothing) -> Response:
    """Name and version."""
    return json(rows.PolicyAbout(NAME, __version__))


async def health(service: Serving, _: Request, __: Nothing) -> Response:
    """Whether the set in force is the folder's, and decisions can be recorded."""
    deciding = service.deciding
    components = {
        "policy": _part(deciding.force.complaint),
        "audit": _part(deciding.fault),
        "trust": _part(deciding.standings.fault),
        "tokens": _part(service.tokens.fault()),
    }
    bad = any(part.status == "degraded" for part in components.values())
    level: rows.Level = "degraded" if bad else "healthy"
    version = deciding.force.engine.version
    now = rfc3339(now_ns())
    return json(rows.PolicyHealth(level, NAME, now, __version__, version, components))


def _part(error: str | None) -> rows.PolicyPart:
    return rows.PolicyPart("healthy") if error is None else rows.PolicyPart("degraded", error)


async def client_eligibility(service: Serving, request: Request, _: Nothing) -> Response:
    """May a client take part?"""
    return await _one(service, request, "client_eligibility")


async def model_sharing(service: Serving, request: Request, _: Nothing) -> Response:
    """May a client share a model of that size?"""
    return await _one(service, request, "model_sharing")


async def _one(service: Serving, request: Request, policy_type: str) -> Response:
    service.deciding.permit(caller(service, request), access.ASK)
    told = await _facts(request)
    _bounded(told, "")
    return json((await _decided(service, [rows.Check(policy_type, told)]))[0])


async def _facts(request: Request) -> dict[str, Any]:
    """A body with any fields. Raises RefusedError 400, BadFieldError."""
    body = await read_body(request, CHECK_BYTES)
    try:
        return msgspec.json.decode(body or b"{}", type=dict[str, Any])
    except msgspec.ValidationError as error:
        raise BadFieldError("body", str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RefusedError(400, "json", f"the body is not JSON: {error}") from None
    except RecursionError:
        raise RefusedError(400, "json", "the body is nested too deeply") from None


async def check(service: Serving, request: Request, _: Nothing) -> Response:
    """A question of a policy type; an unknown type is refused."""
    service.deciding.permit(caller(service, request), access.ASK)
    one = await read_struct(request, CHECK_BYTES, rows.Check)
    _bounded(one.context, "context.")
    return json((await _decided(service, [one]))[0])


async def check_batch(service: Serving, request: Request, _: Nothing) -> Response:
    """Many questions at once, each as if it were alone."""
    service.deciding.permit(caller(service, request), access.ASK)
    found = await read_struct(request, service.options.body_bytes, rows.Checks)
    for at, one in enumerate(found.checks):
        _bounded(one.context, f"checks[{at}].context.")
    return json(rows.CheckedMany(await _decided(service, found.checks)))


async def _decided(service: Serving, checks: Sequence[rows.Check]) -> list[rows.Checked]:
    lowered, now = service.deciding.standings.lowered, now_ns()
    requests = [lowered(asked.request(one.policy_type, one.context, now)) for one in checks]
    return [_row(one) for one in await service.deciding.decide_all(requests)]


def _bounded(context: Mapping[str, Any], where: str) -> None:
    """Raise BadFieldError where a name in it is longer than one may be."""
    field = asked.overlong(context)
    if field is not None:
        raise BadFieldError(where + field, f"must have at most {MOST_NAME} characters")


def _row(answered: Answered) -> rows.Checked:
    said = answered.decision
    violations = [one.reason for one in said.rules if one.effect == "forbid"]
    return rows.Checked(
        said.allowed,
        said.reason,
        answered.number,
        [rows.RuleRow(one.id, one.reason, one.effect) for one in said.rules],
        [*violations, *said.errors],
        list(said.errors),
        said.version,
        [str(one) for one in said.obligations],
        said.observed,
    )


async def log_event(service: Serving, request: Request, _: Nothing) -> Response:
    """Record what happened, once for each `event_id` (or header Idempotency-Key)."""
    service.deciding.permit(caller(service, request), access.LOG)
    told = await read_struct(request, CHECK_BYTES, rows.TrainingEvent)
    if told.event_type == AUDIT_ANCHOR:
        raise BadFieldError("event_type", f"{AUDIT_ANCHOR} is said by the audit trail alone")
    key = told.event_id or request.headers.get("idempotency-key")
    if key is not None and len(key) > 256:
        raise BadFieldError("Idempotency-Key", "must have at most 256 characters")
    event = {
        "source": told.source,
        "event_type": told.event_type,
        "details": told.details,
        "client_id": told.client_id,
        "run": told.run,
        "round": told.round,
    }
    number, known = await service.deciding.log_event(event, key)
    return json(rows.Logged(number, known))


async def events(service: Serving, request: Request, query: rows.EventQuery) -> Response:
    """Events after a number, oldest first."""
    service.deciding.permit(caller(service, request), access.READ)
    return await beside(lambda: _events(service, query))


def _events(service: Serving, query: rows.EventQuery) -> rows.EventList:
    with service.deciding.lock:
        kept = service.deciding.events
        found, last = list(kept.after(query.since_event_id)), kept.last
    return rows.EventList(page(found, query.limit), last)


async def metrics(service: Serving, request: Request, _: Nothing) -> Response:
    """The service's own figures, for Prometheus."""
    service.deciding.permit(caller(service, request), access.READ)
    return Response(exposition.text(_families(service)), media_type=exposition.MEDIA_TYPE)


def _families(service: Serving) -> list[Family]:
    deciding = service.deciding
    decided = tuple(
        Figure(count, {"action": action, "allowed": str(allowed).lower()})
        for (action, allowed), count in sorted(deciding.counts.items())
    )
    refused = tuple(
        Figure(count, {"rule": rule}) for rule, count in sorted(deciding.refusals.items())
    )
    rules = len(deciding.force.engine.ruleset.rules)
    faults = (
        Figure(float(deciding.force.complaint is not None), {"part": "policy"}),
        Figure(float(deciding.fault is not None), {"part": "audit"}),
    )
    seconds = deciding.seconds.figures()
    return [
        Family("policy_decisions_total", "counter", "Decisions.", decided),
        Family("policy_refusals_total", "counter", "Refusals by rule.", refused),
        Family("policy_rules", "gauge", "Rules in force.", (Figure(rules),)),
        Family("policy_fault", "gauge", "1 where a part does not work.", faults),
        Family("policy_trail_records", "gauge", "Last record.", (Figure(deciding.trail.seq),)),
        Family("policy_decision_seconds", "histogram", "Judging and recording.", seconds),
    ]
