"""Who may ask: whoever shows the token."""

from __future__ import annotations

import hmac


class Bearer:
    """Checks the token of an Authorization header in constant time. There are no cookies here."""

    how = (
        "this needs the header 'Authorization: Bearer TOKEN' with the token of the data directory"
        " (its file `token`)"
    )

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def knows_token(self, authorization: str) -> bool:
        """Whether an Authorization header carries the token."""
        scheme, _, token = authorization.partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(
            token.strip().encode(), self._token
        )

    def knows_cookie(self, cookies: str, now: float) -> bool:
        """Never."""
        return False

    def knows_page(self, cookies: str, key: str, now: float) -> bool:
        """Never."""
        return False
