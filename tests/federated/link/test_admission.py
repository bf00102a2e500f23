"""Who may use what nodes have no business with."""

from __future__ import annotations

import asyncio

import pytest
from flwr.superlink.main import create_app
from starlette.types import Message, Scope

from fedsight.federated.link import turned_away
from fedsight.federated.link.admission import Admission
from fedsight.federated.link.front import Front

TOKEN = "a-token"


def scope(path: str, client: str, headers: dict[str, str]) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": (client, 50_000),
        "server": ("127.0.0.1", 8000),
    }


@pytest.mark.parametrize(
    ("client", "headers"),
    [
        ("127.0.0.1", {"host": "127.0.0.1:8000"}),
        ("127.0.0.1", {"host": "localhost"}),
        ("::1", {"host": "[::1]:8000"}),
        ("10.0.0.9", {"host": "10.0.0.5:8000", "authorization": f"Bearer {TOKEN}"}),
        ("127.0.0.1", {"host": "a.example", "authorization": f"bearer {TOKEN}"}),
    ],
)
def test_this_machine_and_the_token_are_admitted(client: str, headers: dict[str, str]) -> None:
    assert Admission(TOKEN).admits(scope("/v1/control/start-run", client, headers))


@pytest.mark.parametrize(
    ("client", "headers"),
    [
        ("10.0.0.9", {"host": "127.0.0.1:8000"}),
        ("10.0.0.9", {"host": "10.0.0.5:8000", "authorization": "Bearer another"}),
        ("10.0.0.9", {"host": "10.0.0.5:8000", "authorization": TOKEN}),
        ("127.0.0.1", {"host": "rebound.example"}),
        ("127.0.0.1", {}),
        ("127.0.0.1", {"host": "127.0.0.1:8000", "x-forwarded-for": "10.0.0.9"}),
        ("127.0.0.1", {"host": "127.0.0.1:8000", "forwarded": "for=10.0.0.9"}),
        ("testclient", {"host": "127.0.0.1:8000"}),
    ],
)
def test_everybody_else_is_not(client: str, headers: dict[str, str]) -> None:
    assert not Admission(TOKEN).admits(scope("/v1/control/start-run", client, headers))


def test_without_a_token_only_this_machine_is_admitted() -> None:
    far = scope("/v1/runtime/get-nodes", "10.0.0.9", {"authorization": "Bearer None"})
    assert not Admission().admits(far)


GUARDED = [
    "/v1/control/start-run",
    "/v1/runtime/acquire-task",
    "/v1/runtime/pull-messages",
    "/v1/responses",
    "/fedsight/v1/nodes",
    "/fedsight/v1/health",
    "/health",
    "/docs",
    "/openapi.json",
    "//v1/control/start-run",
]


@pytest.mark.parametrize("path", GUARDED)
def test_from_elsewhere_nothing_but_the_fleet_api_is_reached(path: str) -> None:
    front = Front(create_app(), token=TOKEN)
    sent = asyncio.run(asked(front, path))
    assert sent[0]["status"] == 401
    refusals = front.away.after(0)
    assert refusals.by_reason == {turned_away.STRANGER: 1}
    assert (refusals.refusals[0].address, refusals.refusals[0].path) == ("10.0.0.9", path)


def test_a_path_that_leads_out_of_the_fleet_api_leads_nowhere() -> None:
    front = Front(create_app(), token=TOKEN)
    sent = asyncio.run(asked(front, "/v1/fleet/../control/start-run"))
    assert sent[0]["status"] == 404


async def asked(front: Front, path: str) -> list[Message]:
    """The answer to a request from another machine."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await front(scope(path, "10.0.0.9", {"host": "10.0.0.5:8000"}), receive, send)
    return sent
