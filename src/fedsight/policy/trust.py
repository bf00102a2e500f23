"""Trust: a score in [0, 1] for each client, from evidence that fades.

After the beta reputation system (Jøsang and Ismail, "The Beta Reputation System", 2002): with the
faded sums g of good and b of bad evidence, W the weight of knowing nothing and p the score of a
client of which nothing is known,

    score = (g + W p) / (g + b + W)

and both sums halve every `half_life_seconds`. Pure; `SharedTrust` keeps the same in a file.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Protocol

from msgspec import Struct

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
RESET: Cause = "reset"
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


#: A piece of evidence: its cause, and what is to be said of it.
Evidence = tuple[Cause, str]


class Book(Protocol):
    """Where trust is kept: in memory, or in a file."""

    def scores_of(self, clients: Sequence[str], now: int) -> list[float]:
        """The scores of some clients, in order, all as they are at one moment."""

    def note_all(
        self,
        client: str,
        evidence: Sequence[Evidence],
        now: int,
        *,
        run: str | None = None,
        round: int | None = None,
    ) -> list[Change]:
        """Take evidence of one client into account, in order."""

    def together(self) -> AbstractContextManager[None]:
        """All changes within are written at once."""


class TrustBook:
    """The standing of every client, and how it came to be."""

    def __init__(self, rule: TrustRule | None = None) -> None:
        self.rule = rule or TrustRule()
        self._known: dict[str, Standing] = {}
        self._history: dict[str, deque[Change]] = {}

    def score(self, client: str, now: int) -> float:
        """A client's score; that of knowing nothing where nothing is known."""
        return score(faded(self._known.get(client, Standing()), now, self.rule), self.rule)

    def scores_of(self, clients: Sequence[str], now: int) -> list[float]:
        """See `Book`."""
        return [self.score(client, now) for client in clients]

    def note_all(
        self,
        client: str,
        evidence: Sequence[Evidence],
        now: int,
        *,
        run: str | None = None,
        round: int | None = None,
    ) -> list[Change]:
        """See `Book`."""
        return [
            self.note(client, one, now, run=run, round=round, note=say) for one, say in evidence
        ]

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
        known = self._known.get(client, Standing(time=now))
        standing, change = noted(
            known, self.rule, client, cause, now, share=share, run=run, round=round, note=note
        )
        self._keep(client, standing, change)
        return change

    def together(self) -> AbstractContextManager[None]:
        """Nothing is written anywhere."""
        return nullcontext()

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


def noted(
    known: Standing,
    rule: TrustRule,
    client: str,
    cause: Cause,
    now: int,
    *,
    share: float,
    run: str | None,
    round: int | None,
    note: str,
) -> tuple[Standing, Change]:
    """What is known of a client with one more piece of evidence, and the change.

    Raises ValueError where the share is beyond 0 to 1, or the cause is no evidence.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share must be from 0 to 1, got {share!r}")
    if cause == RESET:
        raise ValueError("trust is reset by those who may alone: resetting.reset")
    standing = faded(known, now, rule)
    weight = WEIGHTS[cause] * share
    after = Standing(
        standing.good + max(weight, 0.0), standing.bad + max(-weight, 0.0), standing.time
    )
    scores = score(standing, rule), score(after, rule)
    return after, Change(now, client, cause, *scores, weight, run, round, note)
