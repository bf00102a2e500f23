"""A read whose parameters come as a form: what the door lets through, and what it does not."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, ClassVar

import httpx
import msgspec
import pytest
from msgspec import Struct
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from fedsight.door.bearer import Bearer
from fedsight.door.endpoint import Endpoint
from fedsight.door.guard import Guard
from fedsight.door.routing import replies, route

TOKEN = {"Authorization": "Bearer right"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class Rules:
    loopback: bool = True
    allowed_hosts: frozenset[str] = frozenset({"localhost"})
    body_bytes: int = 10**6
    refused_rate: float = 1.0
    refused_burst: float = 100.0


class Asked(Struct, frozen=True, forbid_unknown_fields=True):
    MANY: ClassVar[frozenset[str]] = frozenset({"match[]"})

    query: str = ""
    match: list[str] = msgspec.field(name="match[]", default_factory=list)


async def answer(_: object, __: Request, asked: Asked) -> Response:
    return Response(msgspec.json.encode(asked), media_type="application/json")


def ask(rules: Rules, path: str, **named: Any) -> httpx.Response:
    routes = [
        route(Endpoint("POST", "/read", answer, Asked, (Asked,), form=True)),
        route(Endpoint("POST", "/write", answer, Asked, (Asked,))),
    ]
    app = Starlette(routes=routes, exception_handlers=replies("it"))
    app.state.service = None
    guard = Guard(app, rules, Bearer("right"), forms=frozenset({"/read"}))

    async def asking() -> httpx.Response:
        transport = httpx.ASGITransport(guard)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post(path, **named)

    return asyncio.run(asking())


def test_a_form_reads_without_the_token_on_loopback() -> None:
    given = ask(Rules(), "/read?query=a", data={"match[]": ["b", "c"]})
    assert (given.status_code, given.json()) == (200, {"query": "a", "match[]": ["b", "c"]})


def test_a_form_needs_the_token_beyond_loopback() -> None:
    rules = Rules(loopback=False)
    assert ask(rules, "/read", data={"query": "a"}).status_code == 401
    assert ask(rules, "/read", data={"query": "a"}, headers=TOKEN).status_code == 200


def test_a_page_of_another_site_posts_no_form() -> None:
    refused = ask(Rules(), "/read", data={"query": "a"}, headers={"Origin": "http://evil"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "origin")
    assert ask(Rules(), "/read", data={}, headers={**FORM, "Host": "evil"}).status_code == 403


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/form-data", ""])
def test_only_a_form_is_a_form(kind: str) -> None:
    refused = ask(Rules(), "/read", content=b"query=a", headers={"Content-Type": kind})
    assert refused.status_code == 415


def test_a_form_changes_nothing_elsewhere() -> None:
    refused = ask(Rules(), "/write", data={"query": "a"}, headers=TOKEN)
    assert refused.status_code == 415
    assert ask(Rules(), "/write", content=b"", headers=FORM).status_code == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"query=" + b"a" * 300_000, 413),
        (b"&".join([b"match[]=x"] * 1001), 400),
        (b"\xff", 400),
        (b"query=%ff", 400),
        (b"query=a&query=b", 422),
        (b"other=a", 422),
    ],
)
def test_a_bad_form_is_refused(body: bytes, status: int) -> None:
    assert ask(Rules(), "/read", content=body, headers=FORM).status_code == status
