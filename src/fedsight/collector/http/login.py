"""Who may ask: the bearer token, and for a browser a cookie from a one-time address."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie

from fedsight.door.bearer import Bearer

COOKIE_SECONDS = 7 * 24 * 3600


class Login:
    """Checks tokens and cookies in constant time, and hands out one-time codes.

    A cookie is its expiry time signed with the token, so that it outlives a restart and dies with
    the token. `announce` is given every new code; a used one is replaced at once.
    """

    how = (
        "this needs the header 'Authorization: Bearer TOKEN' with the token of the data directory,"
        " or a login from the address that the collector printed at its start"
    )

    def __init__(self, token: str, store_id: str, announce: Callable[[str], None]) -> None:
        self._token = token.encode()
        self._bearer = Bearer(token)
        self.cookie_name = f"fedsight-{store_id}"
        self._announce = announce
        self._code = ""

    def offer(self) -> None:
        """Announce a new one-time code."""
        self._code = secrets.token_urlsafe(32)
        self._announce(self._code)

    def redeem(self, code: str, now: float) -> str | None:
        """The cookie for a right code, which then is spent; None for a wrong one."""
        if not self._code or not hmac.compare_digest(code.encode(), self._code.encode()):
            return None
        self.offer()
        expires = str(int(now) + COOKIE_SECONDS)
        return f"{expires}.{self._signature(expires)}"

    def knows_token(self, authorization: str) -> bool:
        """Whether an Authorization header carries the token."""
        return self._bearer.knows_token(authorization)

    def knows_cookie(self, cookies: str, now: float) -> bool:
        """Whether a Cookie header carries a login that has not expired."""
        try:
            found = SimpleCookie(cookies).get(self.cookie_name)
        except CookieError:
            return False
        if found is None:
            return False
        expires, _, signature = found.value.partition(".")
        right = hmac.compare_digest(signature.encode(), self._signature(expires).encode())
        return right and expires.isdecimal() and int(expires) > now

    def _signature(self, expires: str) -> str:
        return hmac.new(self._token, f"cookie {expires}".encode(), hashlib.sha256).hexdigest()
