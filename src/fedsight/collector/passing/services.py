"""Asks our services on behalf of a page: one client for all of them, with bounds on everything."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fedsight.collector.passing.passages import SERVICES, Service
from fedsight.door.hosts import is_loopback
from fedsight.door.listener import strangers
from fedsight.door.refusal import RefusedError

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS = 2.0
#: A whole answer, from the first byte of the question on.
ANSWER_SECONDS = 10.0
ANSWER_BYTES = 8 * 2**20
CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class ServiceReply:
    """What a service answered: its status and its JSON."""

    status: int
    body: bytes


class Services:
    """The services by name, at addresses that the settings chose and no request can.

    The token goes along only where the service asks for it, which one on loopback does for changes
    alone, and never to a program of another user. `close` ends the connections.
    """

    def __init__(self, addresses: Mapping[str, str], token: str) -> None:
        self._addresses = {name: url.rstrip("/") for name, url in addresses.items()}
        self._token = token
        self._client: httpx.AsyncClient | None = None
        self._opening = asyncio.Lock()

    async def close(self) -> None:
        """End the connections."""
        if self._client is not None:
            await self._client.aclose()

    async def why_away(self, name: str) -> str | None:
        """Why a service cannot be asked, in a sentence; None where it answers."""
        try:
            await self.ask(name, "GET", "", {}, b"")
        except RefusedError as refused:
            return refused.message
        return None

    async def ask(
        self, name: str, method: str, path: str, query: Mapping[str, str], body: bytes
    ) -> ServiceReply:
        """The reply of a service to one of its own routes.

        Raises RefusedError: 502 where it is away or answers what is no answer, 504 where it takes
        too long.
        """
        service, address = SERVICES[name], self._addresses[name]
        headers = self._headers(service, address, method)
        client = await self._asking()
        import httpx

        request = client.build_request(
            method, f"{address}/{path}", params=dict(query), content=body or None, headers=headers
        )
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                reply = await client.send(request, stream=True)
                try:
                    return await _checked(reply, service, address)
                finally:
                    await reply.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise away(service, address) from None
        except (httpx.TimeoutException, TimeoutError):
            message = f"the {service.what} at {address} did not answer within {ANSWER_SECONDS:g} s"
            raise RefusedError(504, "service_slow", message) from None
        except httpx.HTTPError as error:
            message = f"the {service.what} at {address} broke off: {error}"
            raise RefusedError(502, "service_answer", message) from error

    async def _asking(self) -> httpx.AsyncClient:
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(_opened)
            return self._client

    def _headers(self, service: Service, address: str, method: str) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        if method != "GET":
            headers["Content-Type"] = "application/json"
        place = urlsplit(address)
        here = is_loopback(place.hostname or "")
        if here and method == "GET":
            return headers
        port = place.port or (443 if place.scheme == "https" else 80)
        if here and strangers(port):
            message = f"port {port} is held by another user's program, not by our {service.what}"
            raise RefusedError(502, "service_foreign", message)
        return {**headers, "Authorization": f"Bearer {self._token}"}


def _opened() -> httpx.AsyncClient:
    """The client. It is imported here, as a collector that nobody asks starts without it."""
    import httpx

    return httpx.AsyncClient(
        timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=CONNECTIONS),
        trust_env=False,
        follow_redirects=False,
    )


def away(service: Service, address: str) -> RefusedError:
    """502 with what would bring the service here."""
    message = f"no {service.what} answers at {address}; `{service.command}` starts one"
    return RefusedError(502, "service_away", message)


async def _checked(reply: httpx.Response, service: Service, address: str) -> ServiceReply:
    """The reply, read within bounds; RefusedError where it is none that can be passed on."""
    if reply.status_code in (401, 403):
        message = f"the {service.what} at {address} does not take the token of this data directory"
        raise RefusedError(502, "service_refused", message)
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" or reply.is_redirect:
        message = f"{address} answered {reply.status_code} without JSON: is it our {service.what}?"
        raise RefusedError(502, "service_answer", message)
    held = bytearray()
    async for chunk in reply.aiter_bytes():
        held += chunk
        if len(held) > ANSWER_BYTES:
            message = f"the {service.what} answered more than {ANSWER_BYTES} bytes"
            raise RefusedError(502, "service_answer", message)
    return ServiceReply(reply.status_code, bytes(held))
