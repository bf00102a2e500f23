"""Counts requests as they pass: by route, method and status, with a histogram of their seconds.

Plain ASGI and plain numbers: measuring a request costs some microseconds. The route is its template
(`/api/v1/runs/{run}`), so that no request can make a series of its own.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Upper ends of the histogram's buckets, in seconds.
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"})
#: What reached no route of the table: a file of the dashboard, or a path that there is not.
FILES = "files"
#: What the door turned away before any route.
TURNED_AWAY = "refused"


class Answered(NamedTuple):
    """What a request is counted under."""

    route: str
    method: str
    status: int


@dataclass
class Durations:
    """A histogram of seconds: how many fell into each bucket, the last one without an end."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds


@dataclass
class RequestCounts:
    """What was answered, and how long that took for each route."""

    answered: Counter[Answered] = field(default_factory=Counter)
    seconds: dict[str, Durations] = field(default_factory=dict)
    running: int = 0

    def note(self, what: Answered, seconds: float) -> None:
        """Count one request."""
        self.answered[what] += 1
        found = self.seconds.get(what.route)
        if found is None:
            found = self.seconds[what.route] = Durations()
        found.observe(seconds)


def templates(routes: Iterable[BaseRoute]) -> dict[Any, str]:
    """The template of each route by the function that answers it."""
    return {each.endpoint: each.path_format for each in routes if isinstance(each, Route)}


class Counting:
    """Wraps the application: counts every HTTP request that it answers."""

    def __init__(self, app: ASGIApp, counts: RequestCounts, known: Mapping[Any, str]) -> None:
        self._app = app
        self._counts = counts
        self._known = known

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and count."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # A request that breaks off without an answer counts as the fault that it is.
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        counts, began = self._counts, time.perf_counter()
        counts.running += 1
        try:
            await self._app(scope, receive, noting)
        finally:
            counts.running -= 1
            method = scope["method"] if scope["method"] in METHODS else "other"
            answered = Answered(self._route(scope), method, status)
            counts.note(answered, time.perf_counter() - began)

    def _route(self, scope: Scope) -> str:
        """The router writes down who answers; where it did not, the door had answered."""
        if "endpoint" not in scope:
            return FILES if "router" in scope else TURNED_AWAY
        return self._known.get(scope["endpoint"], FILES)
