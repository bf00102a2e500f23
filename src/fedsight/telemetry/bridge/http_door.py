"""OTLP over HTTP, and what the bridge says of itself.

https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from fedsight.door.bearer import Bearer
from fedsight.door.body import read_body
from fedsight.door.guard import Guard
from fedsight.door.inflating import unpacked
from fedsight.door.refusal import RefusedError
from fedsight.door.routing import replies
from fedsight.telemetry.bridge import json_way
from fedsight.telemetry.bridge.bridge import SMALL_BODY, answer
from fedsight.telemetry.bridge.document import document
from fedsight.telemetry.bridge.figures import health, page
from fedsight.telemetry.bridge.metrics import MalformedError
from fedsight.telemetry.bridge.parts import Parts
from fedsight.telemetry.bridge.refusing import (
    INVALID_ARGUMENT,
    RESOURCE_EXHAUSTED,
    UNAUTHENTICATED,
    CallRefusedError,
    busy,
    status_bytes,
)

PROTOBUF, JSON = "application/x-protobuf", "application/json"
PATHS = {"/v1/metrics": "metrics", "/v1/logs": "logs", "/v1/traces": "traces"}
#: google.rpc.Code of what a door refuses by HTTP's own statuses.
CODES = {401: UNAUTHENTICATED, 403: 7, 413: RESOURCE_EXHAUSTED, 429: RESOURCE_EXHAUSTED}


class Senders(Bearer):
    """Who may send: whoever shows the token, and where it is not asked for, who shows none."""

    def __init__(self, token: str, asked: bool) -> None:
        super().__init__(token)
        self._asked = asked

    def knows_token(self, authorization: str) -> bool:
        """Whether an Authorization header carries the token, or none is needed."""
        if not authorization and not self._asked:
            return True
        return super().knows_token(authorization)


class OtlpGuard(Guard):
    """The door; what it refuses of OTLP it says as google.rpc.Status."""

    async def _refuse(
        self, refused: RefusedError, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if scope["type"] != "http" or scope["path"] not in PATHS:
            await super()._refuse(refused, scope, receive, send)
            return
        response = _said(refused, Request(scope, receive))
        await response(scope, receive, self._with_headers(send, scope["path"]))


class HttpDoor:
    """Answers the three signals' requests."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.calls = 0

    async def __call__(self, request: Request) -> Response:
        """Take what a request brings; a refusal is a google.rpc.Status of the same media type."""
        self.calls += 1
        try:
            if self.calls > self._parts.options.calls:
                raise busy(f"{self._parts.options.calls} calls are under way already", 1.0)
            return await self._taken(request, PATHS[request.url.path])
        except CallRefusedError as refused:
            return _refusal(refused, request)
        except RefusedError as refused:
            return _said(refused, request)
        finally:
            self.calls -= 1

    async def _taken(self, request: Request, signal: str) -> Response:
        kind = _media_type(request)
        if kind not in (PROTOBUF, JSON):
            message = f"Content-Type must be {PROTOBUF} or {JSON}, got {kind[:80]!r}"
            raise RefusedError(415, "content_type", message)
        most = self._parts.options.message_bytes
        encoding = request.headers.get("content-encoding", "").strip().lower()
        body = await unpacked(await read_body(request, most), encoding, most)
        if kind == PROTOBUF:
            verdict = await self._parts.bridge.take(signal, body, "http")
            return Response(answer(verdict, signal), media_type=PROTOBUF)
        try:
            read = await self._from_json(signal, body)
        except MalformedError as error:
            self._parts.bridge.counts.request(signal, "json", str(INVALID_ARGUMENT), len(body))
            raise CallRefusedError(INVALID_ARGUMENT, str(error)) from None
        verdict = await self._parts.bridge.take(signal, read, "json")
        return Response(json_way.answer(verdict, signal), media_type=JSON)

    async def _from_json(self, signal: str, body: bytes) -> bytes:
        if len(body) <= SMALL_BODY:
            return json_way.to_protobuf(signal, body)
        return await asyncio.to_thread(json_way.to_protobuf, signal, body)


def create_app(
    parts: Parts,
    token: str,
    *,
    on_ready: Callable[[], Awaitable[None]],
    on_end: Callable[[], Awaitable[None]],
) -> ASGIApp:
    """The application over the parts of a bridge."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await on_ready()
        try:
            yield
        finally:
            await on_end()

    door = HttpDoor(parts)

    async def say_health(_: Request) -> Response:
        return Response(health(parts), media_type=JSON)

    async def say_figures(_: Request) -> Response:
        return Response(page(parts), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def say_itself(_: Request) -> Response:
        return Response(document(), media_type=JSON)

    async def take(request: Request) -> Response:
        return await door(request)

    routes = [Route(path, take, methods=["POST"]) for path in PATHS]
    routes += [Route("/health", say_health), Route("/metrics", say_figures)]
    routes += [Route("/openapi.json", say_itself)]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=replies("the bridge"))
    senders = Senders(token, parts.options.asks_token)
    return OtlpGuard(app, parts.options, senders, any_content=frozenset(PATHS))


def _media_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _refusal(refused: CallRefusedError, request: Request) -> Response:
    headers = {}
    if refused.retry is not None:
        headers["Retry-After"] = str(max(1, -int(-refused.retry // 1)))
    return _status(
        refused.http_status, refused.code, refused.message, headers, request, refused.retry
    )


def _said(refused: RefusedError, request: Request) -> Response:
    """A door's refusal in OTLP's words."""
    code = CODES.get(refused.status, INVALID_ARGUMENT)
    after = refused.headers.get("Retry-After")
    retry = float(after) if after else None
    return _status(refused.status, code, refused.message, refused.headers, request, retry)


def _status(
    status: int,
    code: int,
    message: str,
    headers: dict[str, str],
    request: Request,
    retry: float | None,
) -> Response:
    if _media_type(request) == JSON:
        body = json_way.status(code, message)
        return Response(body, status, headers, JSON)
    return Response(status_bytes(code, message, retry), status, headers, PROTOBUF)
