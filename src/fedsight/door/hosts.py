"""Which host names are this machine's own."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
#: What is said at a start beyond this machine without TLS; `mend` is what to do about it.
PLAINTEXT = "nothing here is encrypted: whoever hears the traffic reads the token; {mend}"


@lru_cache(256)
def is_loopback(name: str) -> bool:
    """Whether a name or address is this machine's own, as seen from it."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name.lower() == "localhost"
