"""The parts of one FL server, which its routes work with."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import msgspec

from fedsight import __version__
from fedsight.door.refusal import RefusedError
from fedsight.door.times import now_ns, rfc3339
from fedsight.federated.api.clients import Client, Registry, listed
from fedsight.federated.api.counters import Counters
from fedsight.federated.api.events import EventLog
from fedsight.federated.api.models import Models
from fedsight.federated.api.options import FederationOptions
from fedsight.federated.api.rows import Health, Level, Part
from fedsight.federated.api.runs import Order, Runner, Start
from fedsight.federated.api.status import Status, status_of
from fedsight.federated.beginning import may_start
from fedsight.federated.deciding import Decider
from fedsight.federated.promotion import Promotions
from fedsight.federated.versions import ModelStore

NAME = "fedsight-federation"
STORE_ID = "store-id"
DENIED = "ROUND_POLICY_DENIED"


@dataclass
class Server:
    """What the routes work with. `orders` is what a run does where its start does not say,
    `decides` who is asked before one begins."""

    options: FederationOptions
    orders: Order
    log: EventLog
    counters: Counters
    runner: Runner
    models: Models
    decides: Decider | None = None
    registry: Registry = field(default_factory=Registry)

    @classmethod
    def of(cls, options: FederationOptions, start: Start, decides: Decider | None = None) -> Server:
        """The parts, with nothing started yet. Who `decides` on runs does on promotions, too."""
        log, counters = EventLog(), Counters()
        log.say("SERVER_START", {"version": __version__})
        return cls(
            options,
            Order(options.plan, options.keep),
            log,
            counters,
            Runner(start, log, counters),
            Models(
                ModelStore(options.models),
                log,
                Promotions(options.data, options.rules, options.observe, decides),
            ),
            decides,
        )

    def let_start(self, run: str, rounds: int) -> None:
        """Ask whether a run of so many rounds may start. Raises RefusedError 403."""
        if self.decides is None:
            return
        decision = may_start(self.decides, run, rounds)
        if decision.allowed:
            return
        message = f"the policy does not let the run start: {decision.reason}"
        self.log.say(DENIED, {"message": message, "rules": list(decision.refused_by)})
        raise RefusedError(403, "policy", message)

    def end(self) -> None:
        """Begin nothing more, and let the run that goes on end; does not wait for it."""
        self.runner.close(0.0)

    def status(self) -> Status:
        """What the server is doing now."""
        runner = self.runner
        return status_of(runner.current, runner.next_run, wall=now_ns(), monotonic=time.monotonic())

    def clients(self) -> list[Client]:
        """Every client of the current run, and who registered."""
        current, registered = self.runner.current, self.registry.all()
        if current is None:
            return listed([], [], {}, registered)
        history = current.history
        seen = current.seen
        views = () if seen is None else seen.nodes
        found = listed(
            views, history.opening.nodes, history.clients(), registered, history.refused()
        )
        if seen is None or seen.fresh(time.monotonic()):
            return found
        # Nobody has looked for a while: who is there now is not known.
        gone = {"online": None, "last_seen_seconds": None}
        return [msgspec.structs.replace(client, **gone) for client in found]

    def health(self) -> Health:
        """Whether every part works; reads files."""
        parts = {"runner": _part(self.runner.error), "models": _part(self.models.fault())}
        level: Level = "healthy"
        if any(part.status == "degraded" for part in parts.values()):
            level = "degraded"
        return Health(level, NAME, rfc3339(now_ns()), __version__, self._store_id(), parts)

    def _store_id(self) -> str | None:
        try:
            return (self.options.data / STORE_ID).read_text(encoding="utf-8").strip() or None
        except FileNotFoundError:
            return None


def _part(error: str | None) -> Part:
    return Part("healthy") if error is None else Part("degraded", error)
