"""The clients, against real sockets; names are what this machine's resolver says."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from fedsight.door.outbound import (
    CheckedSyncTransport,
    CheckedTransport,
    RefusedAddressError,
    outbound_client,
    outbound_sync_client,
)
from tests.collector.stub_service import Asked, StubService


def ask(url: str, *, private: bool = True) -> httpx.Response:
    async def asking() -> httpx.Response:
        async with outbound_client(private=private) as client:
            return await client.post(url, json={"a": 1})

    return asyncio.run(asking())


def ask_now(url: str, *, private: bool = True) -> httpx.Response:
    with outbound_sync_client(private=private) as client:
        return client.post(url, json={"a": 1})


def echo(asked: Asked) -> tuple[int, dict[str, str]]:
    return 200, {"host": asked.headers["host"], "body": asked.body.decode()}


@pytest.mark.parametrize("client", [ask, ask_now])
def test_a_target_gets_its_own_name(client: object) -> None:
    with StubService(echo) as target:
        url = target.url.replace("127.0.0.1", "localhost")
        told = client(f"{url}/hook").json()  # type: ignore[operator]
    assert told == {"host": url.removeprefix("http://"), "body": '{"a":1}'}


@pytest.mark.parametrize("client", [ask, ask_now])
@pytest.mark.parametrize(
    "host", ["169.254.169.254", "2852039166", "0xa9.0xfe.0xa9.0xfe", "[fe80::1]", "0", "[::]"]
)
def test_a_forbidden_address_is_refused_at_the_connection(client: object, host: str) -> None:
    with pytest.raises(RefusedAddressError, match="nothing is sent there"):
        client(f"http://{host}:1/")  # type: ignore[operator]


@pytest.mark.parametrize("client", [ask, ask_now])
def test_this_machine_is_refused_where_only_public_targets_are_meant(client: object) -> None:
    with StubService(echo) as target:
        with pytest.raises(RefusedAddressError, match="private network"):
            client(target.url, private=False)  # type: ignore[operator]
        assert target.asked == []


@pytest.mark.parametrize("client", [ask, ask_now])
def test_a_redirect_is_not_followed(client: object) -> None:
    with StubService(lambda _: (307, {})) as target:
        assert client(target.url).status_code == 307  # type: ignore[operator]
        assert len(target.asked) == 1


@pytest.mark.parametrize("client", [ask, ask_now])
def test_a_name_that_is_not_there_is_a_failed_connection(client: object) -> None:
    with pytest.raises(httpx.ConnectError, match="does not resolve"):
        client("http://nowhere.invalid/")  # type: ignore[operator]


def test_the_environments_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with StubService(echo) as target:
        assert ask(target.url).status_code == 200


class Rebinding:
    """A name whose owner answers with this machine first, and with metadata from then on."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, host: str) -> list[str]:
        self.asked += 1
        return ["127.0.0.1"] if self.asked == 1 else ["169.254.169.254"]


def test_a_name_that_is_bound_anew_gets_nothing() -> None:
    async def asking(target: StubService) -> int:
        url = target.url.replace("127.0.0.1", "rebinding.example")
        resolve = Rebinding()
        async with httpx.AsyncClient(transport=CheckedTransport(resolve=resolve)) as client:
            assert (await client.post(url)).status_code == 200
            assert resolve.asked == 1  # what was checked is what was connected to
            with pytest.raises(RefusedAddressError, match="link-local"):
                await client.post(url)
        return len(target.asked)

    with StubService(echo) as target:
        assert asyncio.run(asking(target)) == 1


def test_a_name_that_is_bound_anew_gets_nothing_from_a_thread() -> None:
    with StubService(echo) as target:
        url = target.url.replace("127.0.0.1", "rebinding.example")
        with httpx.Client(transport=CheckedSyncTransport(resolve=Rebinding())) as client:
            assert client.post(url).status_code == 200
            with pytest.raises(RefusedAddressError, match="link-local"):
                client.post(url)
        assert len(target.asked) == 1


def test_the_next_address_is_tried_where_one_takes_no_connection() -> None:
    def resolve(host: str) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    async def asking(url: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=CheckedTransport(resolve=resolve)) as client:
            return await client.post(url, content=b"whole")

    with StubService(echo) as target:
        answer = asyncio.run(asking(target.url.replace("127.0.0.1", "two.example")))
    assert answer.json()["body"] == "whole"
