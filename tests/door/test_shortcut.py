"""Past the router: the same answers, the same errors, the same count as by the route."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from msgspec import Struct
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from fedsight.collector.metrics.requests import Answered, Counting, RequestCounts, templates
from fedsight.door.body import read_body
from fedsight.door.endpoint import Endpoint
from fedsight.door.refusal import BadFieldError, RefusedError
from fedsight.door.routing import replies, route
from fedsight.door.shortcut import Shortcut, ways


class Asked(Struct, frozen=True, forbid_unknown_fields=True):
    how: str = "well"


async def answer(service: str, request: Request, asked: Asked) -> Response:
    body = await read_body(request, 10)
    if asked.how == "refused":
        raise RefusedError(409, "gap", "no", expected_seq=7, headers={"Retry-After": "1"})
    if asked.how == "bad":
        raise BadFieldError("time[3]", "must be good")
    if asked.how == "broken":
        raise KeyError(asked.how)
    if asked.how == "away":
        raise SocketAwayError
    return Response(service.encode() + body)


class SocketAwayError(ConnectionError):
    """Answered as any OSError."""


async def away(_: Request, error: Exception) -> Response:
    return Response(type(error).__name__, 503)


ENDPOINT = Endpoint("POST", "/busy", answer, Asked, ())
READ = Endpoint("GET", "/read", answer, Asked, ())
REPLIES = {**replies("it"), OSError: away}


def ask(method: str, path: str, *, shortcut: bool) -> tuple[httpx.Response, RequestCounts]:
    routes: list[BaseRoute] = [route(ENDPOINT), route(READ)]
    near = Middleware(Shortcut, shortcuts=ways([ENDPOINT, READ], routes), replies=REPLIES)
    by = [near] if shortcut else []
    app = Starlette(routes=routes, exception_handlers=REPLIES, middleware=by)
    app.state.service = "s:"
    counts = RequestCounts()
    counting = Counting(app, counts, templates(routes))

    async def asking() -> httpx.Response:
        transport = httpx.ASGITransport(counting, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            content: dict[str, Any] = {"content": "body"} if method == "POST" else {}
            return await client.request(method, path, **content)

    return asyncio.run(asking()), counts


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/busy", 200),
        ("POST", "/busy?how=well", 200),
        ("POST", "/busy?how=refused", 409),
        ("POST", "/busy?how=bad", 422),
        ("POST", "/busy?how=broken", 500),
        ("POST", "/busy?how=away", 503),
        ("POST", "/busy?who=me", 422),
        ("GET", "/read", 200),
        ("GET", "/read?how=away", 503),
        ("GET", "/read?how=broken", 500),
        ("HEAD", "/read", 200),
        ("POST", "/read", 405),
        ("POST", "/busy/", 307),
        ("GET", "/busy", 405),
        ("GET", "/other", 404),
    ],
)
def test_a_shortcut_answers_as_the_route_does(method: str, path: str, status: int) -> None:
    short, counted = ask(method, path, shortcut=True)
    routed, by_route = ask(method, path, shortcut=False)
    assert short.status_code == status
    assert short.content == routed.content
    assert short.headers == routed.headers
    assert (short.status_code, counted.answered) == (routed.status_code, by_route.answered)


def test_it_is_counted_under_its_route() -> None:
    _, counted = ask("POST", "/busy", shortcut=True)
    assert counted.answered == {Answered("/busy", "POST", 200): 1}
