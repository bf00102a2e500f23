"""What the engine answers: whether, by which rules, and why."""

from __future__ import annotations

from msgspec import Struct

from fedsight.policy.obligations import Obligation
from fedsight.policy.rule import Effect

NO_PERMIT = "no rule permits it"
OBSERVED = "allowed for observation only"


class Ruling(Struct, frozen=True):
    """One rule that decided, and its reason."""

    id: str
    effect: Effect
    reason: str


class Decision(Struct, frozen=True):
    """An answer, and all that it rests on.

    `rules` are those that permitted, or those that refused; `errors` is what could not be judged:
    with one of these nothing is allowed. `version` is the policy set's, `inputs` the SHA-256 of all
    that was judged. With `observed` the policy would have refused, and the engine is set to
    observe only.
    """

    allowed: bool
    rules: tuple[Ruling, ...]
    errors: tuple[str, ...]
    version: str
    inputs: str
    obligations: tuple[Obligation, ...] = ()
    observed: bool = False

    @property
    def reason(self) -> str:
        """Why, in one line."""
        reasons = "; ".join((*(one.reason for one in self.rules), *self.errors)) or NO_PERMIT
        return f"{OBSERVED}, would be refused: {reasons}" if self.observed else reasons

    @property
    def refused_by(self) -> tuple[str, ...]:
        """The ids of the rules that refuse it, or would if they were enforced."""
        return tuple(one.id for one in self.rules if one.effect == "forbid")
