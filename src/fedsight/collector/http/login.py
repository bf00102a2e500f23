"""Who may ask: the bearer token, and for a browser what a one-time address gave it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from typing import NamedTuple

from fedsight.door.bearer import Bearer

COOKIE_SECONDS = 7 * 24 * 3600
#: How long after its login a browser may change something.
WRITE_SECONDS = 24 * 3600
#: How long a code that was asked for is good, and how many are at one time.
CODE_SECONDS = 600
CODES = 16


class LoggedIn(NamedTuple):
    """What a browser has from a one-time address: a cookie, which reads, and a key to write with.

    The key never travels as a cookie: cookies go to every port of a host, also to another user's.
    """

    cookie: str
    write_key: str


class Login:
    """Checks tokens, cookies and keys in constant time, and hands out one-time codes.

    A cookie is its expiry time and a random name, signed with the token, so that it outlives a
    restart and dies with the token; the key is another signature of the same. `announce` is given
    the address with every new code of its own; a used one is replaced at once.
    """

    how = (
        "this needs the header 'Authorization: Bearer TOKEN' with the token of the data directory,"
        " or a login from the address that `fedsight login` gives"
    )

    def __init__(
        self, token: str, store_id: str, address: str, announce: Callable[[str], None]
    ) -> None:
        self._token = token.encode()
        self._bearer = Bearer(token)
        self.cookie_name = f"fedsight-{store_id}"
        self._address = address
        self._announce = announce
        self._standing = ""
        self._codes: dict[str, float] = {}

    def address_with(self, code: str) -> str:
        """The address at which a browser logs in."""
        return f"{self._address}/login?code={code}"

    def offer(self) -> None:
        """Announce a new one-time code, good until it is used."""
        self._standing = secrets.token_urlsafe(32)
        self._announce(self.address_with(self._standing))

    def new_code(self, now: float) -> str:
        """A one-time code that somebody with the token asked for, good for CODE_SECONDS."""
        self._codes = {code: end for code, end in self._codes.items() if end > now}
        while len(self._codes) >= CODES:
            del self._codes[next(iter(self._codes))]
        code = secrets.token_urlsafe(32)
        self._codes[code] = now + CODE_SECONDS
        return code

    def redeem(self, code: str, now: float) -> LoggedIn | None:
        """A session for a right code, which then is spent; None for a wrong one."""
        if not self._spend(code, now):
            return None
        name = f"{int(now) + COOKIE_SECONDS}.{secrets.token_hex(16)}"
        return LoggedIn(f"{name}.{self._signature('cookie', name)}", self._signature("write", name))

    def _spend(self, code: str, now: float) -> bool:
        given = code.encode()
        if self._standing and hmac.compare_digest(given, self._standing.encode()):
            self.offer()
            return True
        for known, end in list(self._codes.items()):
            if hmac.compare_digest(given, known.encode()):
                del self._codes[known]
                return end > now
        return False

    def knows_token(self, authorization: str) -> bool:
        """Whether an Authorization header carries the token."""
        return self._bearer.knows_token(authorization)

    def knows_cookie(self, cookies: str, now: float) -> bool:
        """Whether a Cookie header carries a login that has not expired."""
        return self._session(cookies, now) is not None

    def knows_page(self, cookies: str, key: str, now: float) -> bool:
        """Whether cookie and key are those of one login that may still write."""
        return self.write_until(cookies, key, now) is not None

    def write_until(self, cookies: str, key: str, now: float) -> int | None:
        """Until when (Unix seconds) cookie and key may write; None where they may not."""
        name = self._session(cookies, now)
        if name is None:
            return None
        if not hmac.compare_digest(key.encode(), self._signature("write", name).encode()):
            return None
        until = int(name.partition(".")[0]) - COOKIE_SECONDS + WRITE_SECONDS
        return until if until > now else None

    def _session(self, cookies: str, now: float) -> str | None:
        """The name of the session that a Cookie header carries, None where it carries none."""
        try:
            found = SimpleCookie(cookies).get(self.cookie_name)
        except CookieError:
            return None
        if found is None:
            return None
        name, _, signature = found.value.rpartition(".")
        expires = name.partition(".")[0]
        right = hmac.compare_digest(signature.encode(), self._signature("cookie", name).encode())
        return name if right and expires.isdecimal() and int(expires) > now else None

    def _signature(self, use: str, name: str) -> str:
        return hmac.new(self._token, f"{use} {name}".encode(), hashlib.sha256).hexdigest()
