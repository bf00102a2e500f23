"""HTTP clients for targets outside: they connect to the very address that was checked.

Checking a name and then connecting by name would let its owner answer differently the second time
(DNS rebinding). So the name is resolved here, every address is checked, and the connection goes to
one of them; the name stays in the Host header and in TLS's server name. Redirects are not followed
and the environment's proxies are not used, since both would connect elsewhere.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

import httpx

from fedsight.door.addresses import OutboundError, allowed_addresses, resolved

#: From a host's name to its addresses; raises OSError where there are none.
Resolve = Callable[[str], list[str]]

#: Seconds for a connection, and for each step of an answer.
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 10.0


class RefusedAddressError(httpx.ConnectError):
    """A target's name now leads to an address that is not spoken to."""


class CheckedTransport(httpx.AsyncBaseTransport):
    """Resolves, checks, connects. `private` as in `why_forbidden`.

    Each name has connections of its own: those to one address under two names are never shared.
    """

    def __init__(
        self,
        *,
        private: bool = True,
        verify: ssl.SSLContext | bool = True,
        resolve: Resolve = resolved,
    ) -> None:
        self._resolve = resolve
        self._private = private
        self._verify = verify
        self._of_host: dict[str, httpx.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send to the first address that takes the connection."""
        host = request.url.host
        found = await self._addresses(request, host)
        inner = self._of_host.get(host)
        if inner is None:
            inner = httpx.AsyncHTTPTransport(verify=self._verify, trust_env=False)
            self._of_host[host] = inner
        for address in found[:-1]:
            try:
                return await inner.handle_async_request(_towards(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await inner.handle_async_request(_towards(request, found[-1]))

    async def _addresses(self, request: httpx.Request, host: str) -> list[str]:
        limit = request.extensions.get("timeout", {}).get("connect")
        try:
            async with asyncio.timeout(limit):
                found = await asyncio.to_thread(self._resolve, host)
        except TimeoutError:
            raise httpx.ConnectTimeout(f"{host} did not resolve", request=request) from None
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"{host} does not resolve", request=request) from error
        return _checked(found, host, self._private, request)

    async def aclose(self) -> None:
        """End the connections."""
        for inner in self._of_host.values():
            await inner.aclose()


class CheckedSyncTransport(httpx.BaseTransport):
    """As `CheckedTransport`, for threads."""

    def __init__(
        self,
        *,
        private: bool = True,
        verify: ssl.SSLContext | bool = True,
        resolve: Resolve = resolved,
    ) -> None:
        self._resolve = resolve
        self._private = private
        self._verify = verify
        self._of_host: dict[str, httpx.HTTPTransport] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send to the first address that takes the connection."""
        host = request.url.host
        try:
            found = self._resolve(host)
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError(f"{host} does not resolve", request=request) from error
        found = _checked(found, host, self._private, request)
        inner = self._of_host.get(host)
        if inner is None:
            inner = httpx.HTTPTransport(verify=self._verify, trust_env=False)
            self._of_host[host] = inner
        for address in found[:-1]:
            try:
                return inner.handle_request(_towards(request, address))
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return inner.handle_request(_towards(request, found[-1]))

    def close(self) -> None:
        """End the connections."""
        for inner in self._of_host.values():
            inner.close()


def outbound_client(
    *, private: bool = True, verify: ssl.SSLContext | bool = True, timeout: float = ANSWER_SECONDS
) -> httpx.AsyncClient:
    """A client that speaks to no forbidden address, follows no redirect and uses no proxy.

    Where a name leads to one, the request raises RefusedAddressError, an httpx.ConnectError.
    """
    return httpx.AsyncClient(
        transport=CheckedTransport(private=private, verify=verify),
        timeout=httpx.Timeout(timeout, connect=CONNECT_SECONDS),
        follow_redirects=False,
        trust_env=False,
    )


def outbound_sync_client(
    *, private: bool = True, verify: ssl.SSLContext | bool = True, timeout: float = ANSWER_SECONDS
) -> httpx.Client:
    """As `outbound_client`, for threads."""
    return httpx.Client(
        transport=CheckedSyncTransport(private=private, verify=verify),
        timeout=httpx.Timeout(timeout, connect=CONNECT_SECONDS),
        follow_redirects=False,
        trust_env=False,
    )


def _checked(found: list[str], host: str, private: bool, request: httpx.Request) -> list[str]:
    try:
        return allowed_addresses(found, host, private=private)
    except OutboundError as error:
        raise RefusedAddressError(str(error), request=request) from None


def _towards(request: httpx.Request, address: str) -> httpx.Request:
    """The same request to one address; the Host header has the name, and so has TLS."""
    extensions = {**request.extensions, "sni_hostname": request.url.host}
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions=extensions,
    )
