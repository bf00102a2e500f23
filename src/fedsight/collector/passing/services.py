"""Asks our services on behalf of a page: one client for all of them, with bounds on everything."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fedsight.collector.passing.passages import ANSWER_SECONDS, SERVICES, Passage, Service
from fedsight.door.hosts import is_loopback
from fedsight.door.listener import strangers
from fedsight.door.refusal import RefusedError

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS = 2.0
ANSWER_BYTES = 8 * 2**20
CONNECTIONS = 16
_ROOT = Passage("GET", "")


@dataclass(frozen=True, slots=True)
class ServiceReply:
    """What a service answered: its status and its JSON."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Door:
    """Where a service is, and how it is asked there.

    `token` is shown with every request, instead of the data directory's: what a request may do is
    what that token may. `verify` is whom to trust over TLS.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    verify: ssl.SSLContext | bool = True


class Services:
    """The services by name, at addresses that the settings chose and no request can.

    Where its door has no token of its own, a service is shown the data directory's only where it
    asks for one, which one on loopback does for changes alone, and never to a program of another
    user. `close` ends the connections.
    """

    def __init__(self, doors: Mapping[str, Door], token: str) -> None:
        self._doors = {name: replace(one, url=one.url.rstrip("/")) for name, one in doors.items()}
        self._token = token
        self._clients: dict[str, httpx.AsyncClient] = {}
        self._opening = asyncio.Lock()

    async def close(self) -> None:
        """End the connections."""
        for client in self._clients.values():
            await client.aclose()

    async def why_away(self, name: str) -> str | None:
        """Why a service cannot be asked, in a sentence; None where it answers."""
        try:
            await self.ask(name, _ROOT, "", {}, b"")
        except RefusedError as refused:
            return refused.message
        return None

    async def ask(
        self, name: str, passage: Passage, path: str, query: Mapping[str, str], body: bytes
    ) -> ServiceReply:
        """The reply of a service to one of its own routes, at the path that the passage leads to.

        Raises RefusedError: 502 where it is away or answers what is no answer, 504 where it takes
        too long.
        """
        service, door = SERVICES[name], self._doors[name]
        address = door.url
        headers = self._headers(service, door, passage.method)
        client = await self._asking(name)
        import httpx

        request = client.build_request(
            passage.method,
            f"{address}/{path}",
            params=dict(query),
            content=body or None,
            headers=headers,
            timeout=httpx.Timeout(passage.seconds, connect=CONNECT_SECONDS),
        )
        try:
            async with asyncio.timeout(passage.seconds):
                reply = await client.send(request, stream=True)
                try:
                    return await _checked(reply, service, address)
                finally:
                    await reply.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout):
            raise away(service, address) from None
        except (httpx.TimeoutException, TimeoutError):
            message = f"the {service.what} at {address} did not answer within {passage.seconds:g} s"
            raise RefusedError(504, "service_slow", message) from None
        except httpx.HTTPError as error:
            message = f"the {service.what} at {address} broke off: {error}"
            raise RefusedError(502, "service_answer", message) from error

    async def _asking(self, name: str) -> httpx.AsyncClient:
        async with self._opening:
            if name not in self._clients:
                opened = await asyncio.to_thread(_opened, self._doors[name].verify)
                self._clients[name] = opened
            return self._clients[name]

    def _headers(self, service: Service, door: Door, method: str) -> dict[str, str]:
        headers = {"Accept": "application/json"}
        if method != "GET":
            headers["Content-Type"] = "application/json"
        place = urlsplit(door.url)
        here = is_loopback(place.hostname or "")
        if here and method == "GET" and door.token is None:
            return headers
        if service.own_roles and not here:
            _check_abroad(service, door)
        port = place.port or (443 if place.scheme == "https" else 80)
        if here and strangers(port):
            message = f"port {port} is held by another user's program, not by our {service.what}"
            raise RefusedError(502, "service_foreign", message)
        return {**headers, "Authorization": f"Bearer {door.token or self._token}"}


def _check_abroad(service: Service, door: Door) -> None:
    """The data directory's token, an administrator's, is not another machine's; none goes in the
    clear. Raises RefusedError."""
    if door.token is None:
        lacks = "needs a token of its own: name its file in services.policy_token_file"
    elif not door.url.startswith("https://"):
        lacks = "would get its token in the clear: give it a certificate, and an https address"
    else:
        return
    raise RefusedError(502, "service_refused", f"the {service.what} at {door.url} {lacks}")


def _opened(verify: ssl.SSLContext | bool) -> httpx.AsyncClient:
    """The client. It is imported here, as a collector that nobody asks starts without it."""
    import httpx

    return httpx.AsyncClient(
        timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=CONNECTIONS),
        verify=verify,
        trust_env=False,
        follow_redirects=False,
    )


def away(service: Service, address: str) -> RefusedError:
    """502 with what would bring the service here."""
    message = f"no {service.what} answers at {address}; `{service.command}` starts one"
    return RefusedError(502, "service_away", message)


async def _checked(reply: httpx.Response, service: Service, address: str) -> ServiceReply:
    """The reply, read within bounds; RefusedError where it is none that can be passed on."""
    refuses = reply.status_code == 401 or (reply.status_code == 403 and not service.own_roles)
    if refuses:
        shown = "token that it is shown" if service.own_roles else "token of this data directory"
        message = f"the {service.what} at {address} does not take the {shown}"
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
