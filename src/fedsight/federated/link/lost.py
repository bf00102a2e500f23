"""What the round engine is told when the SuperLink goes away under it."""

from __future__ import annotations

from fedsight.errors import FedsightError
from fedsight.federated.fleet import RoundLostError


class LinkLostError(FedsightError):
    """The SuperLink has not answered for as long as we wait; the run cannot go on."""


class RunReplacedError(RoundLostError):
    """The SuperLink is back but has lost our Flower run, and a new one was submitted in its place.

    Whatever nodes were working on is lost: send the round's messages anew.
    """

    def __init__(self, old: int, new: int, reason: str) -> None:
        super().__init__(f"Flower run {old} was lost ({reason}); run {new} goes on in its place")
        self.old = old
        self.new = new
        self.reason = reason
