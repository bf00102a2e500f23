"""The door: what every request must pass before it reaches a route, and headers of every answer.

Host is checked against DNS rebinding, Origin on every method against other sites' pages,
Content-Type so that no form can change anything; see docs/decisions/0102-the-door.md.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Protocol
from urllib.parse import urlsplit

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fedsight.door.hosts import is_loopback
from fedsight.door.limits import RateLimit
from fedsight.door.refusal import RefusedError, too_many

#: With its cookie, what a page of our own shows when it changes something.
WRITE_KEY = "Fedsight-Write-Key"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
FORM = "application/x-www-form-urlencoded"
CONTENT_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
#: The same as ASGI has them: names are in lower case there.
RAW_HEADERS = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
RAW_NAMES = frozenset(name for name, _ in RAW_HEADERS)
CACHING = b"cache-control"


class Rules(Protocol):
    """Who may reach a service, and how often. Rates are requests a second for each address."""

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the service, or what passes requests on."""

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Names that a request may address, in lower case."""

    @property
    def body_bytes(self) -> int:
        """The longest body."""

    @property
    def refused_rate(self) -> float:
        """How often an address may fail to show the token."""

    @property
    def refused_burst(self) -> float:
        """How often before that."""


class Callers(Protocol):
    """Who may ask. `how` tells the others what they lack."""

    @property
    def how(self) -> str:
        """What a caller has to show, as a sentence."""

    def knows_token(self, authorization: str) -> bool:
        """Whether an Authorization header carries the token."""

    def knows_cookie(self, cookies: str, now: float) -> bool:
        """Whether a Cookie header carries a login that has not expired at `now` (Unix seconds)."""

    def knows_page(self, cookies: str, key: str, now: float) -> bool:
        """Whether cookie and key are those of one login that may still change something."""


class Guard:
    """Wraps the application. Refuses with 401, 403, 413, 415 or 429 before anything is read.

    `open_paths` need no login; a page that logged in may change what is beneath the prefixes
    `of_pages`; a POST of a form to one of `forms` is a read; bodies of any Content-Type reach
    `any_content`, which only the token opens, and no form can show that; answers beneath the
    prefixes `private` are stored by no cache.
    """

    def __init__(
        self,
        app: ASGIApp,
        rules: Rules,
        callers: Callers,
        *,
        open_paths: frozenset[str] = frozenset(),
        of_pages: tuple[str, ...] = (),
        forms: frozenset[str] = frozenset(),
        any_content: frozenset[str] = frozenset(),
        private: tuple[str, ...] = ("/",),
    ) -> None:
        self._app = app
        self._rules = rules
        self._callers = callers
        self._open_paths = open_paths
        self._of_pages = of_pages
        self._forms = forms
        self._any_content = any_content
        self._private = private
        self._refused = RateLimit(rules.refused_rate, rules.refused_burst)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, then pass on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except RefusedError as refused:
            await self._refuse(refused, scope, receive, send)
            return
        await self._app(scope, receive, self._with_headers(send, scope["path"]))

    def _check(self, scope: Scope) -> None:
        headers = heads(scope)
        posts = scope["type"] == "http" and scope["method"] not in SAFE
        form = posts and scope["method"] == "POST" and scope["path"] in self._forms
        # Of two, a proxy before us may have read the other one (RFC 9112, 3.2).
        hosts = [name for name, _ in scope["headers"]].count(b"host")
        host = headers["host"] if hosts == 1 else ""
        if host_name(host) not in self._rules.allowed_hosts:
            raise RefusedError(403, "host", f"Host {host!r} is not served here", field="Host")
        _check_origin(headers.get("origin"), host)
        self._check_caller(scope, headers, changes=posts and not form)
        if posts and not _is_bare_delete(scope, headers):
            if scope["path"] not in self._any_content:
                _check_content(headers, FORM if form else "application/json")
            _check_length(headers, self._rules.body_bytes)

    def _check_caller(self, scope: Scope, headers: Mapping[str, str], changes: bool) -> None:
        """The right token always passes: it is 256 random bits, so that the limit on failures
        bounds work and need not lock anybody out."""
        if scope["path"] in self._open_paths:
            return
        # What a proxy in front of loopback passes on names the proxy's host, not this machine.
        near = not changes and self._rules.loopback
        if near and is_loopback(host_name(headers.get("host", ""))):
            return
        if self._callers.knows_token(headers.get("authorization", "")):
            return
        if not changes and self._callers.knows_cookie(headers.get("cookie", ""), time.time()):
            return
        if changes and scope["path"].startswith(self._of_pages) and self._is_page(headers):
            return
        raise self.unknown_caller(scope)

    def _is_page(self, headers: Mapping[str, str]) -> bool:
        """A page of our own, in a browser that logged in.

        Such a request names its Origin, which was compared before. The key is what neither another
        site's page nor another port's server can have: cookies are sent to all ports of a host.
        """
        cookies, key = headers.get("cookie", ""), headers.get(WRITE_KEY.lower(), "")
        return "origin" in headers and self._callers.knows_page(cookies, key, time.time())

    def unknown_caller(self, scope: Scope) -> RefusedError:
        """401, or 429 for an address that failed too often."""
        wait = self._refused.take(client_address(scope), time.monotonic())
        if wait:
            return too_many("too many requests without a right token", wait)
        return RefusedError(
            401,
            "unauthorized",
            self._callers.how,
            headers={"WWW-Authenticate": "Bearer"},
        )

    async def _refuse(
        self, refused: RefusedError, scope: Scope, receive: Receive, send: Send
    ) -> None:
        response = Response(refused.body(), refused.status, refused.headers, "application/json")
        if scope["type"] == "websocket":
            # The server states the length of a refused handshake's body itself.
            del response.headers["Content-Length"]
        await response(scope, receive, self._with_headers(send, scope["path"]))

    def _with_headers(self, send: Send, path: str) -> Send:
        caching = b"no-store" if path.startswith(self._private) else b"no-cache"

        async def wrapped(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                given = [pair for pair in message.get("headers", ()) if pair[0] not in RAW_NAMES]
                if not any(name == CACHING for name, _ in given):
                    given.append((CACHING, caching))
                message["headers"] = [*given, *RAW_HEADERS]
            await send(message)

        return wrapped


def heads(scope: Scope) -> Mapping[str, str]:
    """A request's headers by name, which ASGI has in lower case; of several the first."""
    pairs = reversed(scope["headers"])
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in pairs}


@lru_cache(256)
def host_name(host: str) -> str:
    """The name in a Host header, without its port, in lower case: `[::1]:8083` gives `::1`."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def client_address(scope: Scope) -> str:
    """Who asks, as far as the socket tells."""
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


def _check_origin(origin: str | None, host: str) -> None:
    """A browser names the page that asks; it must be one of ours. Other clients name none."""
    if origin is None:
        return
    try:
        page = urlsplit(origin)
    except ValueError:
        page = urlsplit("")
    if page.scheme not in ("http", "https") or page.netloc.lower() != host.lower():
        raise RefusedError(403, "origin", f"Origin {origin!r} may not ask here", field="Origin")


def _is_bare_delete(scope: Scope, headers: Mapping[str, str]) -> bool:
    """A DELETE without a body needs no Content-Type: no form can send one, and no page of another
    site without a preflight, which is never answered."""
    empty = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
    return bool(scope["method"] == "DELETE") and empty


def _check_content(headers: Mapping[str, str], wanted: str) -> None:
    kind = headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != wanted:
        message = f"Content-Type must be {wanted}, got {kind!r}"
        raise RefusedError(415, "content_type", message, field="Content-Type")


def _check_length(headers: Mapping[str, str], most: int) -> None:
    length = headers.get("content-length", "0")
    if not length.isdecimal() or int(length) > most:
        raise too_large(most)


def too_large(most: int) -> RefusedError:
    """413 with the limit; the connection closes, as the rest of the body is not read."""
    message = f"the body must have at most {most} bytes"
    return RefusedError(413, "too_large", message, headers={"Connection": "close"})
