"""Which host names are this machine's own."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


@lru_cache(256)
def is_loopback(name: str) -> bool:
    """Whether a name or address is this machine's own, as seen from it."""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name.lower() == "localhost"
