"""Who may ask a SuperLink for what nodes have no business with.

Flower's Control and Runtime APIs ask nobody who they are: whoever reaches the port may start, read
and stop runs. Here they, and the routes of our own, are for this machine and for those who show
the token. The Fleet API is for nodes, which sign their requests (`gate`).
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import Scope

from fedsight.door.bearer import Bearer
from fedsight.door.guard import host_name
from fedsight.door.hosts import is_loopback

#: A proxy passes others on under its own address.
_PASSED_ON = ("forwarded", "x-forwarded-for", "x-real-ip")


class Admission:
    """Lets callers in or not. `token` None: this machine only."""

    def __init__(self, token: str | None = None) -> None:
        self._bearer = None if token is None else Bearer(token)

    def admits(self, scope: Scope) -> bool:
        """Whether the caller is on this machine or shows the token."""
        headers = Headers(scope=scope)
        if is_local(scope, headers):
            return True
        return self._bearer is not None and self._bearer.knows_token(
            headers.get("authorization", "")
        )


def is_local(scope: Scope, headers: Headers) -> bool:
    """Whether the other end of the socket is this machine and asks for this machine.

    A page of another site that had its name point here (DNS rebinding) asks for that name.
    """
    if not is_loopback(address_of(scope)) or not is_loopback(host_name(headers.get("host", ""))):
        return False
    return not any(name in headers for name in _PASSED_ON)


def address_of(scope: Scope) -> str:
    """Who asks, as far as the socket tells."""
    client = scope.get("client")
    return str(client[0]) if client else "unknown"
