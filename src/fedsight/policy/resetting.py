"""Trust is reset by those who may, with a reason, and recorded first."""

from __future__ import annotations

from collections.abc import Callable

from fedsight.errors import UsageError
from fedsight.policy.overseer import Overseer
from fedsight.policy.request import Party, Request
from fedsight.policy.shared_trust import SharedTrust
from fedsight.policy.trust import Change

#: What whoever resets trust must be permitted.
ACTION = "resetTrust"
MOST_REASON = 500


def permitted(overseer: Overseer, who: Party, now: int) -> None:
    """Ask for it, which is recorded. Raises UsageError with the reason where the answer is no: to
    observe is for a federation's decisions, it resets nothing."""
    decision = overseer.decide(Request(who, ACTION, now))
    if not decision.allowed or decision.observed:
        raise UsageError(f"{who.id} may not reset trust: {decision.reason}")


def reset(
    book: SharedTrust,
    record: Callable[[Change], object],
    who: Party,
    client: str,
    reason: str,
    now: int,
) -> Change:
    """Forget all evidence of a client, as `who` was permitted to. What `record` cannot record is
    not done. Raises UsageError where the reason or the client is none, and what `record` raises.
    """
    why = reason.strip()
    if not 0 < len(why) <= MOST_REASON:
        raise UsageError(f"a reset needs a reason of 1 to {MOST_REASON} characters")
    if not book.knows(client):
        raise UsageError(f"nothing is known of {client}")
    with book.together():
        change = book.reset(client, f"by {who.id}: {why}", now)
        record(change)
    return change
