"""The routes behind which our other services are, and those that let a page change something."""

from __future__ import annotations

import time
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fedsight.collector.http.login import CODE_SECONDS, COOKIE_SECONDS
from fedsight.collector.http.parameters import LoginQuery
from fedsight.collector.passing.passages import SERVICES
from fedsight.collector.running import Collector
from fedsight.door.body import read_body
from fedsight.door.endpoint import Nothing
from fedsight.door.guard import WRITE_KEY, client_address
from fedsight.door.refusal import BadFieldError, RefusedError, too_many
from fedsight.door.times import rfc3339

Value = Annotated[str, Meta(max_length=200)]


class ServiceQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """What is passed on of a query; each route takes its own of these."""

    limit: Value | None = None
    offset: Value | None = None
    since_event_id: Value | None = None
    start_round: Value | None = None
    end_round: Value | None = None
    run: Value | None = None
    a: Value | None = None
    b: Value | None = None
    node: Value | None = None
    metric: Value | None = None
    horizon: Value | None = None
    since_decision_id: Value | None = None
    before_decision_id: Value | None = None
    client: Value | None = None
    action: Value | None = None
    rule: Value | None = None
    allowed: Value | None = None
    text: Value | None = None
    since: Value | None = None
    until: Value | None = None
    before: Value | None = None
    after: Value | None = None
    changes: Value | None = None


class ServiceState(Struct, frozen=True):
    """One of our services: what it is, and why it cannot be asked (None: it answers)."""

    name: str
    what: str
    answers: bool
    error: str | None


class ServiceList(Struct, frozen=True):
    """The services to which requests are passed on."""

    services: list[ServiceState]


class ServiceAnswer(Struct, frozen=True):
    """Whatever the service answers: its own `/openapi.json` says what."""


class ServiceCommand(Struct, frozen=True):
    """Whatever the service's route takes."""


class LoginAddress(Struct, frozen=True):
    """An address that logs one browser in, once, within so many seconds."""

    address: str
    seconds: int


class PageSession(Struct, frozen=True):
    """Whether this browser may change something, and until when; else what gives it leave."""

    may_write: bool
    until: str | None
    command: str = "fedsight login"


async def services(collector: Collector, _: Request, __: Nothing) -> Response:
    """Which of our other services answer; asked just now."""
    found = []
    for name, service in SERVICES.items():
        error = await collector.services.why_away(name)
        found.append(ServiceState(name, service.what, error is None, error))
    return Response(msgspec.json.encode(ServiceList(found)), media_type="application/json")


async def ask_service(collector: Collector, request: Request, query: ServiceQuery) -> Response:
    """Read from one of our services."""
    return await _passed(collector, request, query)


async def tell_service(collector: Collector, request: Request, query: ServiceQuery) -> Response:
    """Change something in one of our services."""
    return await _passed(collector, request, query)


async def replace_in_service(
    collector: Collector, request: Request, query: ServiceQuery
) -> Response:
    """Replace something in one of our services."""
    return await _passed(collector, request, query)


async def _passed(collector: Collector, request: Request, query: ServiceQuery) -> Response:
    name, path = request.path_params["service"], request.path_params["route"]
    found = SERVICES[name].find(request.method, path) if name in SERVICES else None
    if found is None:
        message = f"{request.method} {name}/{path} is no route that is passed on"
        raise RefusedError(404, "not_found", message)
    passage, address = found
    given = {key: value for key, value in msgspec.to_builtins(query).items() if value is not None}
    for key in given:
        if key not in passage.query:
            raise BadFieldError(key, "is no parameter of this route")
    told = request.method != "GET"
    body = _object(await read_body(request, passage.body_bytes)) if told else b""
    reply = await collector.services.ask(name, passage, address, given, body)
    return Response(reply.body, reply.status, media_type="application/json")


def _object(body: bytes) -> bytes:
    """A body that is a JSON object, or none."""
    if not body:
        return b"{}"
    try:
        msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RefusedError(400, "json", f"the body is no JSON object: {error}") from None
    return body


async def session(collector: Collector, request: Request, _: Nothing) -> Response:
    """Whether this browser may change something."""
    cookies, key = request.headers.get("cookie", ""), request.headers.get(WRITE_KEY, "")
    until = collector.login.write_until(cookies, key, time.time())
    when = None if until is None else rfc3339(until * 10**9)
    answer = msgspec.json.encode(PageSession(until is not None, when))
    return Response(answer, media_type="application/json")


async def login_address(collector: Collector, _: Request, __: Nothing) -> Response:
    """A new one-time address for a browser."""
    address = collector.login.address_with(collector.login.new_code(time.time()))
    answer = msgspec.json.encode(LoginAddress(address, CODE_SECONDS))
    return Response(answer, media_type="application/json")


async def login(collector: Collector, request: Request, query: LoginQuery) -> Response:
    """Turn a one-time code into a cookie, and a key that only our own pages can read."""
    found = collector.login.redeem(query.code, time.time())
    if found is None:
        wait = collector.login_rate.take(client_address(request.scope), time.monotonic())
        if wait:
            raise too_many("too many wrong codes", wait)
        message = (
            "this login address was used, is too old or is wrong; `fedsight login` gives another"
        )
        raise RefusedError(401, "unauthorized", message, field="code")
    answer = RedirectResponse(f"/#/runs?write={found.write_key}", 303)
    answer.set_cookie(
        collector.login.cookie_name,
        found.cookie,
        max_age=COOKIE_SECONDS,
        secure=collector.options.encrypted(request.headers.get("host", "")),
        httponly=True,
        samesite="strict",
    )
    return answer
