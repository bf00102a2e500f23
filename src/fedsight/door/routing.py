"""A table of routes as an application's routes, and every error as the body of `docs/api.md`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from urllib.parse import parse_qsl

from msgspec import Struct
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fedsight.door.body import read_form
from fedsight.door.endpoint import Endpoint
from fedsight.door.query import parsed
from fedsight.door.refusal import BadFieldError, RefusedError, unprocessable

CODES = {404: "not_found", 405: "method_not_allowed"}

Reply = Callable[[Request, Exception], Awaitable[Response]]


def route(endpoint: Endpoint) -> Route:
    """The endpoint; its answer is given `app.state.service`."""

    async def answer(request: Request) -> Response:
        query: Struct
        if endpoint.form:
            given = [*request.query_params.multi_items(), *await read_form(request)]
            query = parsed(given, endpoint.query)
        else:
            query = query_of(request.scope["query_string"], endpoint.query)
        return await endpoint.answer(request.app.state.service, request, query)

    return Route(path_of(endpoint), answer, methods=[endpoint.method])


@lru_cache(256)
def query_of(raw: bytes, kind: type[Struct]) -> Struct:
    """The parameters of a query string, remembered: producers ask with the same words each time.

    Raises BadFieldError naming the parameter.
    """
    return parsed(parse_qsl(raw.decode("latin-1"), keep_blank_values=True), kind)


def path_of(endpoint: Endpoint) -> str:
    """The path with its parameters, as Starlette writes it."""
    return f"{endpoint.path[:-1]}:path}}" if endpoint.deep else endpoint.path


def replies(service: str) -> dict[type[Exception], Reply]:
    """What is answered to each kind of error; `service` is what met a fault of its own."""

    async def fault(_: Request, __: Exception) -> Response:
        return refused(RefusedError(500, "fault", f"{service} met a fault; its log says which"))

    return {
        RefusedError: _refused,
        BadFieldError: _unprocessable,
        HTTPException: _http_error,
        Exception: fault,
    }


def refused(error: RefusedError) -> Response:
    """The answer that says so."""
    return Response(error.body(), error.status, error.headers, "application/json")


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return refused(error)


async def _unprocessable(_: Request, error: Exception) -> Response:
    assert isinstance(error, BadFieldError)
    return refused(unprocessable(error))


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = CODES.get(error.status_code, "http")
    return refused(RefusedError(error.status_code, code, error.detail, headers=error.headers))
