"""What became of what one request brought: how much was taken, and why the rest was not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

#: Reasons that an answer names; there may be as many as there are points.
TOLD_REASONS = 5
#: Reasons that are told apart; what comes after counts as one.
KEPT_REASONS = 64
OTHERS = "other reasons"


@dataclass(slots=True)
class Verdict:
    """`taken` and `rejected` count points, log records or spans as OTLP does.

    `absent`: points that say that nothing was measured, or a value that is no number. `left_out`:
    what the settings leave out. `rejected`: by reason, what signals cannot carry. `warnings`: what
    else the sender is told. `size`: bytes that what was taken comes to, at most.
    """

    taken: int = 0
    absent: int = 0
    not_finite: int = 0
    left_out: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    size: int = field(default=0, compare=False)

    def reject(self, why: str, count: int = 1) -> None:
        """So many cannot be carried, for this reason."""
        known = why in self.rejected or len(self.rejected) < KEPT_REASONS
        self.rejected[why if known else OTHERS] += count

    @property
    def refused(self) -> int:
        """How many were rejected in all."""
        return sum(self.rejected.values())

    def message(self, what: str) -> str:
        """What OTLP's partial success says; empty where all was taken. `what`: points, say.

        https://opentelemetry.io/docs/specs/otlp/#partial-success
        """
        parts = [f"{count} {what}: {why}" for why, count in self.rejected.most_common(TOLD_REASONS)]
        more = len(self.rejected) - len(parts)
        if more > 0:
            parts.append(f"and {more} more reasons")
        if self.not_finite:
            parts.append(f"{self.not_finite} values that are no finite number count as absent")
        parts.extend(self.warnings)
        return "; ".join(parts)
