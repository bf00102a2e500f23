"""When a round begins, what closes it, and when a run has come to its end."""

from __future__ import annotations

from dataclasses import dataclass

from fedsight.errors import UsageError
from fedsight.federated.plan import checks

MODES = (SYNC, ASYNC) = ("sync", "async")
#: What happens to an answer that comes after its round was closed.
LATE = ("count", "use", "drop")

_MOST = 1_000_000
_DAY = 86_400.0


@dataclass(frozen=True)
class RoundPlan:
    """Rules of a round.

    A round begins with at least `min_clients` nodes, for which a run waits at most `wait_seconds`.
    It is closed when all have answered, when `quorum` of them have (0: all), or `timeout_seconds`
    after it began (None: the engine's own; `deadline` says). Late answers are counted, used in the
    next round, or dropped. `over_select` chooses that share more nodes than wanted. A node that has
    been silent for `silent_seconds` is waited for no longer and not chosen.

    In mode `async` a new model is made of every `buffer` answers (0: a tenth of the nodes), each
    weighing (1 + its age in models) ** -staleness.
    """

    min_clients: int = 1
    wait_seconds: float = 600.0
    timeout_seconds: float | None = None
    quorum: int = 0
    late: str = "count"
    over_select: float = 0.0
    mode: str = SYNC
    buffer: int = 0
    staleness: float = 0.5
    silent_seconds: float = 10.0
    convergence_threshold: float = 0.0

    def __post_init__(self) -> None:
        checks.whole("min_clients", self.min_clients, 1, _MOST)
        checks.number("wait_seconds", self.wait_seconds, above=0.0, most=_DAY)
        if self.timeout_seconds is not None:
            checks.number("timeout_seconds", self.timeout_seconds, above=0.0, most=_DAY)
        checks.whole("quorum", self.quorum, 0, _MOST)
        checks.one_of("late", self.late, LATE)
        checks.number("over_select", self.over_select, least=0.0, most=10.0)
        checks.one_of("mode", self.mode, MODES)
        checks.whole("buffer", self.buffer, 0, _MOST)
        checks.number("staleness", self.staleness, least=0.0, most=10.0)
        checks.number("silent_seconds", self.silent_seconds, above=0.0, most=_DAY)
        checks.number("convergence_threshold", self.convergence_threshold, least=0.0, most=1.0)
        if self.mode == ASYNC and self.quorum:
            raise UsageError("a run in mode async has no quorum: its buffer closes a round")
