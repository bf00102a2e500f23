"""Requests are counted by route, as they pass."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Message, Receive, Scope, Send

from fedsight.collector.metrics.requests import (
    BOUNDS,
    FILES,
    TURNED_AWAY,
    Answered,
    Counting,
    Durations,
    RequestCounts,
    templates,
)


async def one(_: Request) -> Response:
    return PlainTextResponse("one")


async def broken(_: Request) -> Response:
    raise ZeroDivisionError


async def files(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("file")(scope, receive, send)


ROUTES: list[BaseRoute] = [
    Route("/runs/{run}", one),
    Route("/deep/{rest:path}", lambda request: PlainTextResponse("deep")),
    Route("/broken", broken),
    Mount("/files", files),
]


async def asked(method: str, path: str, app: Callable[..., Awaitable[None]]) -> None:
    scope = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b""}

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def send(_: Message) -> None:
        return None

    await app(scope, receive, send)


def counted(*requests: tuple[str, str]) -> RequestCounts:
    counts = RequestCounts()
    app = Counting(Starlette(routes=ROUTES), counts, templates(ROUTES))

    async def ask() -> None:
        for method, path in requests:
            try:
                await asked(method, path, app)
            except ZeroDivisionError:
                continue

    asyncio.run(ask())
    return counts


def test_a_request_counts_for_its_routes_template() -> None:
    counts = counted(("GET", "/runs/a"), ("GET", "/runs/b"), ("GET", "/deep/x/y"))
    assert counts.answered == {
        Answered("/runs/{run}", "GET", 200): 2,
        Answered("/deep/{rest}", "GET", 200): 1,
    }
    assert sum(counts.seconds["/runs/{run}"].buckets) == 2
    assert counts.seconds["/runs/{run}"].total > 0
    assert counts.running == 0


def test_what_has_no_route_makes_no_series_of_its_own() -> None:
    paths = [("GET", f"/{at}") for at in range(50)] + [("GET", "/files/app.js")]
    counts = counted(*paths, ("BREW", "/runs/a"))
    assert counts.answered == {
        Answered(FILES, "GET", 404): 50,
        Answered(FILES, "GET", 200): 1,
        Answered("/runs/{run}", "other", 405): 1,
    }


def test_a_fault_counts_as_500() -> None:
    assert counted(("GET", "/broken")).answered == {Answered("/broken", "GET", 500): 1}


def test_what_the_door_turned_away_reached_no_route() -> None:
    counts = RequestCounts()

    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("no", 401)(scope, receive, send)

    asyncio.run(asked("POST", "/runs/a", Counting(door, counts, {})))
    assert counts.answered == {Answered(TURNED_AWAY, "POST", 401): 1}


def test_sockets_are_not_requests() -> None:
    counts = RequestCounts()
    seen = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def nothing(*_: object) -> Message:
        return {}

    asyncio.run(Counting(app, counts, {})({"type": "websocket"}, nothing, nothing))  # type: ignore[arg-type]
    assert seen == ["websocket"]
    assert not counts.answered


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0.0, 0), (0.001, 0), (0.0011, 1), (10.0, 11), (11.0, 12)]
)
def test_a_bucket_holds_what_is_at_most_its_bound(seconds: float, bucket: int) -> None:
    durations = Durations()
    durations.observe(seconds)
    assert durations.buckets[bucket] == 1
    assert len(durations.buckets) == len(BOUNDS) + 1
