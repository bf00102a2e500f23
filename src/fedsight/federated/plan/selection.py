"""Who trains in a round, by which rule."""

from __future__ import annotations

from dataclasses import dataclass

from fedsight.errors import UsageError
from fedsight.federated.plan import checks

SELECTIONS = ("random", "performance", "resources", "named", "utility")
METRICS = ("loss", "accuracy")

_MOST_ROUNDS = 1_000_000


@dataclass(frozen=True)
class SelectionPlan:
    """The rule by name, and its constants.

    `metric` ranks nodes by what they measured before, `explore` is the share of a round that is
    drawn from the others; `min_*` are floors that a node must reach; `only` names nodes (names or
    ids, parted by commas), `tags` are tags that a node must all have, `where` properties it must
    have (`key=value`, parted by commas). With `fair_rounds` m, every node trains at least once in
    m rounds; 0: no such floor.
    """

    selection: str = "random"
    metric: str = "loss"
    explore: float = 0.2
    min_cpu: float = 0.0
    min_memory_gb: float = 0.0
    min_bandwidth_mbps: float = 0.0
    only: str = ""
    tags: str = ""
    where: str = ""
    fair_rounds: int = 0

    def __post_init__(self) -> None:
        checks.one_of("selection", self.selection, SELECTIONS)
        checks.one_of("metric", self.metric, METRICS)
        checks.number("explore", self.explore, least=0.0, most=1.0)
        for name in ("min_cpu", "min_memory_gb", "min_bandwidth_mbps"):
            checks.number(name, getattr(self, name), least=0.0)
        checks.whole("fair_rounds", self.fair_rounds, 0, _MOST_ROUNDS)
        for text in listed(self.where):
            if not all(part.strip() for part in text.split("=", 1)) or "=" not in text:
                raise UsageError(f"where must be key=value, parted by commas, got {self.where!r}")
        if self.selection == "named" and not (self.only or self.tags or self.where):
            raise UsageError("selection named needs one of only, tags, where")


def listed(text: str) -> list[str]:
    """What stands between the commas, without blanks around it."""
    return [word.strip() for word in text.split(",") if word.strip()]
