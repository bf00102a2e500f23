"""The anchors of the audit trail that the collector keeps, asked for over HTTP."""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
from msgspec import Struct

from fedsight.door.hosts import is_loopback
from fedsight.door.listener import strangers
from fedsight.errors import FedsightError
from fedsight.policy.audit import Anchor
from fedsight.policy.audit.witness import AUDIT_ANCHOR, anchors

PATH = "/api/v1/events"
_ROWS = 1000
_MOST_BYTES = 16 * 2**20
_SECONDS, _ALL_SECONDS = 5.0, 30.0


class AnchorsUnknownError(FedsightError):
    """The collector did not say which heads were anchored."""


class _Event(Struct, frozen=True):
    details: dict[str, Any]


class _Page(Struct, frozen=True):
    events: list[_Event]
    last_id: int


@dataclass(frozen=True)
class Witnessing:
    """The collector at `url`. `token` is shown where it asks for one, and then to nobody else on
    this machine, and beyond it over TLS alone."""

    url: str
    token: str
    verify: ssl.SSLContext | bool = True

    def anchors(self) -> list[Anchor]:
        """All anchors that it keeps. Raises AnchorsUnknownError."""
        found: list[dict[str, Any]] = []
        end, after = time.monotonic() + _ALL_SECONDS, 0
        try:
            with httpx.Client(
                base_url=self.url, timeout=_SECONDS, trust_env=False, verify=self.verify
            ) as http:
                while True:
                    page = self._page(http, after, end)
                    found += [one.details for one in page.events]
                    if len(page.events) < _ROWS:
                        return anchors(found)
                    if page.last_id <= after or time.monotonic() > end:
                        raise AnchorsUnknownError(f"the collector at {self.url} does not end")
                    after = page.last_id
        except (httpx.HTTPError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            why = str(error) or type(error).__name__
            message = f"the collector at {self.url} did not tell its anchors: {why}"
            raise AnchorsUnknownError(message) from error

    def _page(self, http: httpx.Client, after: int, end: float) -> _Page:
        asked = {"kind": AUDIT_ANCHOR, "after": str(after), "limit": str(_ROWS)}
        answer = _bounded(http, asked, {}, end)
        if answer[0] == 401:
            answer = _bounded(http, asked, {"Authorization": f"Bearer {self._shown()}"}, end)
        if answer[0] != 200:
            raise AnchorsUnknownError(f"the collector at {self.url} answered {answer[0]}")
        return msgspec.json.decode(answer[1], type=_Page)

    def _shown(self) -> str:
        parts = httpx.URL(self.url)
        if not is_loopback(parts.host):
            if parts.scheme != "https":
                raise AnchorsUnknownError(f"{self.url} would get a token in the clear: use https")
        elif parts.port is not None and strangers(parts.port):
            message = f"port {parts.port} is held by another user's program: it gets no token"
            raise AnchorsUnknownError(message)
        return self.token


def _bounded(
    http: httpx.Client, asked: dict[str, str], headers: dict[str, str], end: float
) -> tuple[int, bytes]:
    with http.stream("GET", PATH, params=asked, headers=headers) as answer:
        content = bytearray()
        for part in answer.iter_bytes():
            content += part
            if len(content) > _MOST_BYTES:
                raise AnchorsUnknownError(f"a page is larger than {_MOST_BYTES} bytes")
            if time.monotonic() > end:
                raise AnchorsUnknownError("the collector does not end")
        return answer.status_code, bytes(content)
