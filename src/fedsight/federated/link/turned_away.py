"""The account of requests that a SuperLink turned away: who, from where, why, how often."""

from __future__ import annotations

import logging
import threading
from base64 import b64decode
from binascii import Error
from collections import Counter, deque
from collections.abc import Callable

from fedsight.federated.link.identity import fingerprint
from fedsight.federated.link.reports import Refusal, Refusals

logger = logging.getLogger(__name__)

NOBODY = "none"

NO_KEY = "no key"
BAD_KEY = "unreadable key or signature"
STALE = "signed at another time"
FORGED = "not signed by that key"
UNKNOWN_KEY = "unknown or revoked key"
OTHER_NODE = "another node's key"
REPLAYED = "replayed request"
NAMED_AS_ANOTHER = "the name of another key"
FOR_ANOTHER = "spoke for another node"
TAKEN_OVER = "another process with this key took its place"
STRANGER = "not from this machine and without the token"

MOST_KEPT = 1000
#: The same caller with the same fault is told anew after so long, in nanoseconds.
QUIET_NS = 10 * 10**9
MOST_QUIET = 1000


class TurnedAway:
    """The last refusals, and how many of which kind there were.

    One who keeps trying is told at most every ten seconds, with how often it was since.
    """

    def __init__(
        self, now: Callable[[], int], told: Callable[[Refusal], object] = lambda _: None
    ) -> None:
        self._now = now
        self._told = told
        self._kept: deque[Refusal] = deque(maxlen=MOST_KEPT)
        self._by_reason: Counter[str] = Counter()
        self._quiet: dict[tuple[str, str, str], tuple[int, int]] = {}
        self._last_id = 0
        self._lock = threading.Lock()

    def add(self, key: str, address: str, path: str, reason: str, name: str = "") -> None:
        """A request was refused, of a node that says it is called `name`; from any thread."""
        with self._lock:
            refusal = self._noted(key, address, path, reason, name)
        if refusal is None:
            return
        times = f", {refusal.count} times" if refusal.count > 1 else ""
        what = f"{reason}, {name}" if name else reason
        logger.warning("refused %s from %s: %s (key %s%s)", path, address, what, key, times)
        self._told(refusal)

    def _noted(self, key: str, address: str, path: str, reason: str, name: str) -> Refusal | None:
        self._by_reason[reason] += 1
        now, who = self._now(), (key, address, reason)
        since, missed = self._quiet.get(who, (0, 0))
        if now - since < QUIET_NS:
            self._quiet[who] = since, missed + 1
            return None
        if len(self._quiet) >= MOST_QUIET:
            self._quiet.pop(next(iter(self._quiet)))
        self._quiet[who] = now, 0
        self._last_id += 1
        refusal = Refusal(self._last_id, now, key, address, path, reason, missed + 1, name)
        self._kept.append(refusal)
        return refusal

    @property
    def last_id(self) -> int:
        """The id of the last that was kept."""
        return self._last_id

    def after(self, last: int) -> Refusals:
        """Those after an id that are still kept."""
        with self._lock:
            found = [each for each in self._kept if each.id > last]
            total = sum(self._by_reason.values())
            return Refusals(found, self._last_id, total, dict(self._by_reason))


def fingerprint_of_header(value: str | None) -> str:
    """The fingerprint of the key in a request's header; "none" where there is none to read."""
    if not value:
        return NOBODY
    try:
        return fingerprint(b64decode(value, validate=True))
    except (ValueError, Error):
        return NOBODY
