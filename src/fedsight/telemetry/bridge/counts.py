"""What a bridge has counted since it started."""

from __future__ import annotations

from collections import Counter

from fedsight.telemetry.bridge.verdict import Verdict

SIGNALS = ("metrics", "logs", "traces")


class Counts:
    """By signal where that is told apart. For the event loop's thread."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, str]] = Counter()
        self.bytes: Counter[str] = Counter()
        self.taken: Counter[str] = Counter()
        self.rejected: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.absent = 0
        self.unmatched = 0
        self.unit_changes = 0
        self.ahead = 0
        self.behind = 0

    def request(self, signal: str, protocol: str, outcome: str, size: int) -> None:
        """One request; `outcome`: ok, partial, or the code of a refusal."""
        self.requests[signal, protocol, outcome] += 1
        self.bytes[signal] += size

    def verdict(self, signal: str, verdict: Verdict) -> None:
        """What became of a request's points, records or spans."""
        self.taken[signal] += verdict.taken
        self.rejected[signal] += verdict.refused
        self.left_out[signal] += verdict.left_out
        self.absent += verdict.absent
