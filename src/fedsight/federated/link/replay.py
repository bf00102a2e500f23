"""Requests that were seen already: a node's signature is good for one.

Flower's nodes sign the time of each request and nothing else of it; within five minutes whoever
has heard one could use its headers for another request of their own.
"""

from __future__ import annotations

import threading
import time
from base64 import b64decode
from binascii import Error
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from flwr.common.constant import SYSTEM_TIME_TOLERANCE, TIMESTAMP_TOLERANCE

#: For so long Flower takes a signature, whichever clock is ahead.
WINDOW_SECONDS = float(TIMESTAMP_TOLERANCE + 2 * SYSTEM_TIME_TOLERANCE)
#: Beyond it the older half is forgotten early: so many signatures take about 250 MB.
MOST_HELD = 2_000_000


class Seen:
    """Signatures of the last `WINDOW_SECONDS`, in two generations that take turns.

    What counts is the key, the signed time and the signature's `r`, which is new for each
    signature. `s` does not count: (r, -s) is as valid as (r, s) and anybody can make it.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic, most: int = MOST_HELD) -> None:
        self._now = now
        self._most = most
        self._young: set[int] = set()
        self._old: set[int] = set()
        self._since = now()
        self._lock = threading.Lock()

    def first_time(self, key: str, timestamp: str, signature: str) -> bool:
        """Whether this signature has not been seen, and remember it; from any thread."""
        mark = hash((key, timestamp, _r(signature)))
        with self._lock:
            self._turn_over()
            if mark in self._young or mark in self._old:
                return False
            self._young.add(mark)
            return True

    def _turn_over(self) -> None:
        now = self._now()
        if now - self._since >= WINDOW_SECONDS or len(self._young) >= self._most:
            self._old, self._young, self._since = self._young, set(), now


def _r(signature: str) -> int:
    try:
        return decode_dss_signature(b64decode(signature, validate=True))[0]
    except (ValueError, Error):
        return 0  # no valid signature, and refused as such
