"""Whether a run looks at the updates it gets, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass

from fedsight.errors import UsageError


@dataclass(frozen=True)
class ScrutinyPlan:
    """With `scrutiny` each round's updates are compared, and nodes whose updates are unlike the
    others' are named; with `exclude_suspects` theirs are then not averaged in.
    """

    scrutiny: bool = True
    exclude_suspects: bool = False

    def __post_init__(self) -> None:
        for name in ("scrutiny", "exclude_suspects"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise UsageError(f"{name} must be true or false, got {value!r}")
        if self.exclude_suspects and not self.scrutiny:
            raise UsageError("exclude_suspects needs scrutiny: without it nobody is suspected")
