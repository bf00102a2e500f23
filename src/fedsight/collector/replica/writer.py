"""Passes requests on to the process that writes to a data directory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from fedsight.collector.replica.announced import ADDRESS
from fedsight.door.listener import strangers
from fedsight.door.refusal import RefusedError

#: Of one connection alone, and what the answer's server says for itself (RFC 9110, 7.6.1).
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "date",
        "server",
    }
)
#: What a URL leaves out.
PORTS = {"http": 80, "https": 443}
#: Seconds to connect, and between two pieces of an answer.
DEADLINES = httpx.Timeout(60.0, connect=2.0)


class Writer:
    """Passes requests on to the writer of a data directory, wherever it is at the time.

    `verify`: whether a certificate must be in its address's name; ours is in the public one's.
    """

    def __init__(self, data: Path, *, verify: bool = True) -> None:
        self._file = data / ADDRESS
        self._data = data
        self._client = httpx.AsyncClient(trust_env=False, timeout=DEADLINES, verify=verify)
        #: Requests passed on, and those for which nobody was there.
        self.passed_on = 0
        self.failures = 0

    def address(self) -> str | None:
        """Where it says that it is; None where there is none."""
        try:
            url = httpx.URL(self._file.read_text(encoding="ascii").strip())
        except (OSError, UnicodeDecodeError, httpx.InvalidURL):
            return None
        # One that was killed leaves its address: its port may be another user's by now, and what
        # is passed on shows the token.
        port = url.port or PORTS.get(url.scheme)
        if port is None or strangers(port):
            return None
        return str(url)

    async def error(self) -> str | None:
        """Why the writer cannot be reached; None where it can."""
        url = self.address()
        if url is None:
            return f"no collector writes to {self._data}"
        try:
            await self._client.get(f"{url}/health", timeout=2.0)
        except httpx.HTTPError as error:
            return f"the collector at {url} cannot be reached: {type(error).__name__}"
        return None

    async def pass_on(self, request: Request) -> Response:
        """Answer as the writer does. Raises RefusedError (503) where there is none.

        The request goes as it came, Host and Origin too, so that the writer checks all of it
        again.
        """
        url = self.address()
        if url is None:
            raise self._away("is not running")
        headers = [(k, v) for k, v in request.headers.raw if k.decode("latin-1") not in HOP_BY_HOP]
        has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
        asked = self._client.build_request(
            request.method,
            httpx.URL(url).copy_with(raw_path=_path(request)),
            headers=headers,
            content=request.stream() if has_body else None,
        )
        try:
            answer = await self._client.send(asked, stream=True)
        except httpx.HTTPError as error:
            raise self._away(f"at {url} cannot be reached: {type(error).__name__}") from error
        self.passed_on += 1
        passed = StreamingResponse(
            _pieces(answer), answer.status_code, background=BackgroundTask(answer.aclose)
        )
        passed.raw_headers = [
            (k.lower(), v)
            for k, v in answer.headers.raw
            if k.lower().decode("latin-1") not in HOP_BY_HOP
        ]
        return passed

    def _away(self, why: str) -> RefusedError:
        self.failures += 1
        return RefusedError(
            503,
            "writer_away",
            f"this collector only reads, and the one that writes to {self._data} {why}; start it"
            " with: fedsight serve collector",
            headers={"Retry-After": "1"},
        )

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()


def _path(request: Request) -> bytes:
    raw: bytes = request.scope.get("raw_path") or request.url.path.encode()
    query: bytes = request.scope["query_string"]
    return raw.partition(b"?")[0] + (b"?" + query if query else b"")


async def _pieces(answer: httpx.Response) -> AsyncIterator[bytes]:
    async for piece in answer.aiter_raw():
        yield piece
