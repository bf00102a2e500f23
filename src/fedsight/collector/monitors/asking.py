"""Asks what is watched over HTTP: GET alone, one client for all monitors, bounds on everything."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from fedsight.collector.monitors.contract import AwayError, ForeignAnswerError
from fedsight.collector.monitors.round_trip import round_trip
from fedsight.door.addresses import OutboundError, allowed_addresses, resolved
from fedsight.errors import SettingsError

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 10.0
JSON_BYTES = 8 * 2**20
#: Answers above this are decoded in a thread: a megabyte takes some milliseconds.
SMALL = 256 * 1024
DEFAULT_PORTS = {"http": 80, "https": 443}


class Asking:
    """The client that all monitors share. It is made once somebody listens: until then a look at a
    service costs one refused connection, and a laptop without services imports no HTTP client."""

    def __init__(self) -> None:
        self._client: httpx.AsyncClient | None = None
        self._opening = asyncio.Lock()

    async def client(self) -> httpx.AsyncClient:
        """The open client."""
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(_opened)
            return self._client

    async def close(self) -> None:
        """End the connections."""
        if self._client is not None:
            await self._client.aclose()


def _opened() -> httpx.AsyncClient:
    """A client that speaks to no metadata service, follows no redirect and uses no proxy.

    It is made in a thread, with the one TLS context for all: that reads all authorities.
    """
    from fedsight.door.outbound import outbound_client

    return outbound_client(verify=ssl.create_default_context(), timeout=ANSWER_SECONDS)


@dataclass(frozen=True, slots=True)
class Page:
    """An answer that is 200: its media type without parameters in lower case, and its bytes."""

    kind: str
    body: bytes


class Place:
    """One service at an address that the settings chose.

    `basic` is a name and password. Raises SettingsError for an address that is none.
    """

    def __init__(
        self, asking: Asking, what: str, address: str, *, basic: tuple[str, str] | None = None
    ) -> None:
        self.what = what
        self.address = address.rstrip("/")
        parts = urlsplit(self.address)
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname or parts.username is not None:
            raise SettingsError(f"the address of the {what} must begin with http:// or https://")
        self.host, self.port = parts.hostname, parts.port or DEFAULT_PORTS[parts.scheme]
        self._asking = asking
        self._basic = basic
        self._there = False

    async def json(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """The JSON of an answer; raises AwayError or ForeignAnswerError."""
        page = await self.page(path, query, accept="application/json", most=JSON_BYTES)
        try:
            if len(page.body) > SMALL:
                return await asyncio.to_thread(msgspec.json.decode, page.body)
            return msgspec.json.decode(page.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ForeignAnswerError(f"{self._at(path)} is no JSON: {error}") from None

    async def json_or_none(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """As `json`; None where the service has no such route."""
        try:
            return await self.json(path, query)
        except NoRouteError:
            return None

    async def page(
        self, path: str, query: Mapping[str, str] | None = None, *, accept: str, most: int
    ) -> Page:
        """An answer of at most `most` bytes; raises AwayError or ForeignAnswerError."""
        if not self._there:
            await self.reach()
        client = await self._asking.client()
        import httpx

        from fedsight.door.outbound import RefusedAddressError

        request = client.build_request(
            "GET",
            f"{self.address}{path}",
            params=dict(query) if query else None,
            headers={"Accept": accept, "Accept-Encoding": "identity"},
        )
        auth = httpx.USE_CLIENT_DEFAULT if self._basic is None else httpx.BasicAuth(*self._basic)
        try:
            reply = await client.send(request, stream=True, auth=auth)
            try:
                return await self._read(reply, path, most)
            finally:
                await reply.aclose()
        except RefusedAddressError as error:
            raise AwayError(str(error)) from None
        except (httpx.ConnectError, httpx.ConnectTimeout):
            self._there = False
            raise self._away() from None
        except httpx.TimeoutException:
            raise AwayError(f"{self._at(path)} did not answer in time") from None
        except httpx.HTTPError as error:
            self._there = False
            said = str(error) or type(error).__name__
            raise AwayError(f"{self._at(path)} broke off: {said}") from None

    async def reach(self) -> float | None:
        """See that somebody listens, before an HTTP client is made: the round trip in seconds,
        None where it is not known. Raises AwayError."""
        self._there = False
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                writer = await self._connected()
        except OutboundError as error:
            raise AwayError(str(error)) from None
        except (OSError, TimeoutError, UnicodeError):
            raise self._away() from None
        seconds = round_trip(writer.get_extra_info("socket"))
        writer.close()
        self._there = True
        return seconds

    async def _connected(self) -> asyncio.StreamWriter:
        """A connection to the first of the host's addresses that takes it."""
        addresses = await asyncio.to_thread(resolved, self.host)
        allowed_addresses(addresses, self.host)
        for address in addresses[:-1]:
            with suppress(OSError):
                return (await asyncio.open_connection(address, self.port))[1]
        return (await asyncio.open_connection(addresses[-1], self.port))[1]

    async def _read(self, reply: httpx.Response, path: str, most: int) -> Page:
        if reply.status_code == 404:
            raise NoRouteError(f"{self._at(path)} answered 404: is it a {self.what}?")
        if reply.status_code != 200:
            raise ForeignAnswerError(f"{self._at(path)} answered {reply.status_code}")
        if reply.headers.get("content-encoding", "identity").lower() != "identity":
            # Unasked: a few bytes may unpack to more than there is memory.
            raise ForeignAnswerError(f"{self._at(path)} answered packed, which was not asked for")
        held = bytearray()
        async for chunk in reply.aiter_raw():
            held += chunk
            if len(held) > most:
                raise ForeignAnswerError(f"{self._at(path)} answered more than {most} bytes")
        kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
        return Page(kind, bytes(held))

    def _at(self, path: str) -> str:
        """For people: without the query, where a token may stand."""
        return f"the {self.what}'s {self.address}{path.partition('?')[0]}"

    def _away(self) -> AwayError:
        return AwayError(f"no {self.what} answers at {self.address}")


class NoRouteError(ForeignAnswerError):
    """The service has no such route."""
