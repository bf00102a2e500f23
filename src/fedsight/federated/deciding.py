"""Who decides outside a run: on a promotion, or before a run is started.

Each question is asked and recorded by itself; runs have `governing`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fedsight.policy import Decision, Request
from fedsight.policy.audit import SigningKey, Trail
from fedsight.policy.overseer import Overseer
from fedsight.policy.remote import RemoteOverseer
from fedsight.policy.watching import InForce

#: In a data directory.
KEY, TRAIL = "keys/audit", "audit"


class Decider(Protocol):
    """Answers one question."""

    def decide(self, request: Request) -> Decision:
        """The answer, which is in the audit trail. Raises FedsightError or OSError where it cannot
        be asked or recorded."""


@dataclass(frozen=True)
class BySet:
    """The policy set in the folder `rules`; the trail is that of the data directory."""

    rules: Path
    data: Path
    observe: bool = False

    def decide(self, request: Request) -> Decision:
        """See `Decider`."""
        force = InForce(self.rules, observe=self.observe)
        with Trail(self.data / TRAIL, SigningKey.open(self.data / KEY)) as trail:
            return Overseer(lambda: force.engine, trail).decide(request)


@dataclass(frozen=True)
class ByService:
    """A policy service, which records what it decides; `reach` opens a way to it."""

    reach: Callable[[], RemoteOverseer]

    def decide(self, request: Request) -> Decision:
        """See `Decider`. Where it gives no answer that is a refusal."""
        with closing(self.reach()) as service:
            return service.decide_all([request])[0]
