"""Trust: a score in [0, 1] for each client, from evidence that fades.

After the beta reputation system (Jøsang and Ismail, "The Beta Reputation System", 2002): with the
faded sums g of good and b of bad evidence, W the weight of knowing nothing and p the score of a
client of which nothing is known,

    score = (g + W p) / (g + b + W)

and both sums halve every `half_life_seconds`. Pure; the file that keeps it is `TrustBook.save`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import msgspec
from msgspec import Struct

from fedsight.errors import FedsightError, UsageError
from fedsight.policy import disk
from fedsight.policy.engine import Engine
from fedsight.policy.request import Party, Request
from fedsight.signals import Event, Json

SOURCE = "policy"
TRUST_CHANGED = "TRUST_CHANGED"

Cause = Literal[
    "answered",
    "contributed",
    "late",
    "failed",
    "silent",
    "rejected",
    "suspected",
    "refused",
    "reset",
]

#: What each kind of evidence weighs: positive speaks for a client, negative against it.
WEIGHTS: Mapping[Cause, float] = MappingProxyType(
    {
        "answered": 1.0,
        "contributed": 0.5,
        "late": -0.5,
        "failed": -1.0,
        "silent": -1.0,
        "refused": -1.0,
        "rejected": -2.0,
        "suspected": -3.0,
        "reset": 0.0,
    }
)
#: So many changes of one client are remembered; all of them are events, too.
MOST_HISTORY = 1000
#: So many clients are known; then those of whom nothing was heard longest are forgotten.
MOST_CLIENTS = 100_000


@dataclass(frozen=True)
class TrustRule:
    """The numbers of the formula."""

    initial: float = 0.5
    prior_weight: float = 4.0
    half_life_seconds: float = 86_400.0

    def __post_init__(self) -> None:
        if not 0 <= self.initial <= 1:
            raise ValueError(f"initial must be from 0 to 1, got {self.initial!r}")
        if not (0 < self.prior_weight < 1e6 and 0 < self.half_life_seconds < 1e12):
            raise ValueError("prior_weight and half_life_seconds must be above 0")


class Standing(Struct, frozen=True):
    """What is known of a client: faded sums of evidence, as they were at `time` (Unix ns)."""

    good: float = 0.0
    bad: float = 0.0
    time: int = 0


class Change(Struct, frozen=True):
    """One change of a client's trust, and its cause. `weight` is what the evidence weighed."""

    time: int
    client: str
    cause: Cause
    before: float
    after: float
    weight: float
    run: str | None = None
    round: int | None = None
    note: str = ""

    def event(self) -> Event:
        """It as an event."""
        details: dict[str, Json] = {
            "cause": self.cause,
            "before": self.before,
            "after": self.after,
            "weight": self.weight,
        }
        if self.note:
            details["note"] = self.note
        return Event(self.time, SOURCE, TRUST_CHANGED, self.run, self.round, self.client, details)


def faded(standing: Standing, now: int, rule: TrustRule) -> Standing:
    """The sums as they are `now`. A clock that was set back fades nothing."""
    passed = (now - standing.time) / 1e9
    if passed <= 0:
        return standing
    kept = 0.5 ** (passed / rule.half_life_seconds)
    return Standing(standing.good * kept, standing.bad * kept, now)


def score(standing: Standing, rule: TrustRule) -> float:
    """The score of a standing, in [0, 1]."""
    known = standing.good + standing.bad
    found = (standing.good + rule.prior_weight * rule.initial) / (known + rule.prior_weight)
    return min(1.0, max(0.0, found))


class TrustBook:
    """The standing of every client, and how it came to be."""

    def __init__(self, rule: TrustRule | None = None) -> None:
        self.rule = rule or TrustRule()
        self._known: dict[str, Standing] = {}
        self._history: dict[str, deque[Change]] = {}

    def score(self, client: str, now: int) -> float:
        """A client's score; that of knowing nothing where nothing is known."""
        return score(faded(self._known.get(client, Standing()), now, self.rule), self.rule)

    def scores(self, now: int) -> dict[str, float]:
        """Everybody's score."""
        return {client: self.score(client, now) for client in self._known}

    def note(
        self,
        client: str,
        cause: Cause,
        now: int,
        *,
        share: float = 1.0,
        run: str | None = None,
        round: int | None = None,
        note: str = "",
    ) -> Change:
        """Take evidence into account. `share` in [0, 1] is how much of its weight counts.

        Raises ValueError where the share is beyond.
        """
        if not 0 <= share <= 1:
            raise ValueError(f"share must be from 0 to 1, got {share!r}")
        if cause == "reset":
            raise ValueError("trust is reset by TrustBook.reset, which asks whether one may")
        standing = faded(self._known.get(client, Standing(time=now)), now, self.rule)
        weight = WEIGHTS[cause] * share
        after = Standing(
            standing.good + max(weight, 0.0), standing.bad + max(-weight, 0.0), standing.time
        )
        scores = score(standing, self.rule), score(after, self.rule)
        change = Change(now, client, cause, *scores, weight, run, round, note)
        self._keep(client, after, change)
        return change

    def reset(self, client: str, operator: Party, engine: Engine, now: int) -> Change:
        """Forget all evidence of a client. Raises UsageError where the operator may not."""
        decision = engine.decide(Request(operator, "resetTrust", now))
        if not decision.allowed:
            raise UsageError(f"{operator.id} may not reset trust: {decision.reason}")
        before = self.score(client, now)
        note = f"by {operator.id}"
        change = Change(now, client, "reset", before, self.rule.initial, 0.0, None, None, note)
        self._keep(client, Standing(time=now), change)
        return change

    def history(self, client: str) -> list[Change]:
        """The last changes of a client, oldest first."""
        return list(self._history.get(client, ()))

    def _keep(self, client: str, standing: Standing, change: Change) -> None:
        self._known.pop(client, None)
        self._known[client] = standing
        self._history.setdefault(client, deque(maxlen=MOST_HISTORY)).append(change)
        if len(self._known) > MOST_CLIENTS:
            oldest = next(iter(self._known))
            del self._known[oldest], self._history[oldest]

    def save(self, path: Path) -> None:
        """Write it to a file, whole or not at all. Raises FedsightError."""
        history = {client: list(changes) for client, changes in self._history.items()}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            disk.written(path, msgspec.json.encode(_Saved(self._known, history)), mode=0o600)
        except OSError as error:
            raise FedsightError(f"cannot write the trust of clients to {path}: {error}") from error

    def load(self, path: Path) -> None:
        """Read what `save` wrote; nothing where there is no file. Raises FedsightError."""
        try:
            saved = msgspec.json.decode(path.read_bytes(), type=_Saved)
        except FileNotFoundError:
            return
        except (OSError, msgspec.MsgspecError) as error:
            raise FedsightError(
                f"the trust of clients in {path} cannot be read: {error}; move it away to go on"
            ) from error
        self._known = dict(saved.standings)
        self._history = {
            client: deque(changes, maxlen=MOST_HISTORY) for client, changes in saved.history.items()
        }


class _Saved(Struct):
    standings: dict[str, Standing]
    history: dict[str, list[Change]]


def contributed(samples: Mapping[str, int]) -> dict[str, float]:
    """How much of `contributed` each client earned in a round: its samples over the median's."""
    counts = sorted(count for count in samples.values() if count > 0)
    if not counts:
        return {}
    median = _median(counts)
    return {client: min(1.0, max(0, count) / median) for client, count in samples.items()}


def _median(counts: Iterable[int]) -> float:
    all_ = list(counts)
    middle = len(all_) // 2
    return float(all_[middle]) if len(all_) % 2 else (all_[middle - 1] + all_[middle]) / 2
