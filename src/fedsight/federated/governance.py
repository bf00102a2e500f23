"""What a governed run asks the policy engine, and what it learns of its clients."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from flwr.app import Message

from fedsight.federated.clock import Clock
from fedsight.federated.fleet import NodeView, Property
from fedsight.federated.node.introduction import SC_PAGE_SIZE, SC_PHYS_PAGES
from fedsight.federated.rounds.muster import Say
from fedsight.federated.runs.state import State
from fedsight.federated.wrapping import UPDATE_REJECTED
from fedsight.policy import Decision, Obligation, Party, Request
from fedsight.policy.trust import Cause, Change, TrustBook, contributed
from fedsight.signals import Json

ROUND_POLICY_DENIED, CLIENT_REFUSED, POLICY_OBSERVED = (
    "ROUND_POLICY_DENIED",
    "CLIENT_REFUSED",
    "POLICY_OBSERVED",
)
#: So many clients of a round are told of one by one.
MOST_TOLD = 100
ACCURACY, LOSS = "accuracy", "loss"

#: What is known of a client beyond its trust: attributes of the schema's Client.
Facts = Callable[[NodeView], Mapping[str, Any]]
#: Makes a run's governance, given whether a node's updates are suspected, by its name.
Govern = Callable[[Callable[[str], bool]], "Governance"]


class Decides(Protocol):
    """Who is asked: the overseer of this process, or a policy service."""

    def decide_all(self, requests: Sequence[Request]) -> list[Decision]:
        """An answer to each request, in order. Never raises."""


def told(node: NodeView) -> dict[str, Any]:
    """A client's attributes as far as the node told them; what it did not tell is left out.

    A simulated node is on this machine, and has what it has.
    """
    said = {**(this_machine() if node.kind == "simulated" else {}), **node.properties}
    facts: dict[str, Any] = {"capabilities": tuple(node.tags)}
    cpus, memory, samples = (said.get(key) for key in ("cpu_count", "memory_gb", "data_samples"))
    if _whole(cpus):
        facts["cpu_count"] = cpus
    if isinstance(memory, int | float) and not isinstance(memory, bool) and math.isfinite(memory):
        facts["memory_mb"] = int(memory * 1000)
    if _whole(samples):
        facts["samples"] = samples
    return facts


def this_machine() -> dict[str, Property]:
    """What a node of this machine would tell of it."""
    memory = os.sysconf(SC_PAGE_SIZE) * os.sysconf(SC_PHYS_PAGES) / 1e9
    return {"cpu_count": os.cpu_count() or 0, "memory_gb": memory}


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


class Governance:
    """One run as policy sees it.

    `rounds` is how many the run is to have, `facts` what is known of a node, `suspected` whether a
    node's updates are, by name. `say` is told of refusals, `on_trust` of each change of trust. With
    `look` a changed policy set is taken before each round.
    """

    def __init__(
        self,
        overseer: Decides,
        trust: TrustBook,
        run: str,
        rounds: int,
        *,
        server: str = "server",
        facts: Facts = told,
        suspected: Callable[[str], bool] = lambda _: False,
        say: Say = lambda *_, **__: None,
        on_trust: Callable[[Sequence[Change]], None] = lambda _: None,
        look: Callable[[], object] = lambda: None,
        now: Callable[[], int] | None = None,
    ) -> None:
        self._overseer = overseer
        self._trust = trust
        self._run = run
        self._rounds = rounds
        self._server = Party("Server", server)
        self._facts = facts
        self._suspected = suspected
        self._say = say
        self._on_trust = on_trust
        self._look = look
        self._now = now or Clock().now
        self._obliged: dict[str, Obligation] = {}
        self._samples: dict[str, int] = {}
        self._known: dict[str, Party] = {}
        self._best: float | None = None
        self._stale = 0
        self._policed: set[str] = set()

    def may_start(self, round: int) -> str | None:
        """Why the run may not start, None where it may."""
        return self._asked("startRun", round, 0, "the policy does not let the run start")

    def may_go_on(self, round: int, clients: int) -> str | None:
        """Why round `round` may not begin, in which `clients` may train; None where it may."""
        refusal = self._asked("nextRound", round, clients, f"the policy does not let round {round}")
        if refusal is not None:
            return refusal
        for name, value in (("max_rounds", round), ("min_clients", clients)):
            bound = self._obliged.get(name)
            if bound is not None and not bound.holds(value):
                return self._denied(round, f"the policy obliges to {bound}, got {value}", ())
        return None

    def bound(self, parameter: str) -> float | None:
        """What policy bounds a parameter to, None where it does not."""
        found = self._obliged.get(parameter)
        return None if found is None else found.value

    def _asked(self, action: str, round: int, clients: int, what: str) -> str | None:
        self._look()
        figures = {"round": round, "rounds": self._rounds, "clients": clients}
        run = Party("Run", self._run, {**figures, "stale_rounds": self._stale})
        decision = self._decide([Request(self._server, action, self._now(), run)], round)[0]
        if not decision.allowed:
            begin = " begin" if action == "nextRound" else ""
            return self._denied(round, f"{what}{begin}: {decision.reason}", decision.refused_by)
        self._obliged = {one.parameter: one for one in decision.obligations}
        return None

    def _denied(self, round: int, message: str, rules: Sequence[str]) -> str:
        self._say(ROUND_POLICY_DENIED, {"message": message, "rules": list(rules)}, round=round)
        return message

    def refused(self, nodes: Sequence[NodeView], round: int) -> dict[int, str]:
        """Which of the nodes may not train in this round, and why, by id."""
        self._look()
        now = self._now()
        self._policed = set()
        self._known = {node.name: self._party(node, now) for node in nodes}
        asked = [Request(self._known[node.name], "train", now) for node in nodes]
        decisions = self._decide(asked, round)
        refused = {
            node.node_id: decision
            for node, decision in zip(nodes, decisions, strict=True)
            if not decision.allowed
        }
        names = {node.node_id: node.name for node in nodes}
        for node_id, decision in list(refused.items())[:MOST_TOLD]:
            self._tell(names[node_id], round, "train", decision)
        return {node_id: f"refused by policy: {one.reason}" for node_id, one in refused.items()}

    def refuses_update(
        self, node_id: int, name: str, round: int, size: int, norm: float, samples: int | None
    ) -> str | None:
        """Why an update of `size` bytes and this norm is not taken, None where it is."""
        if samples is not None:
            self._samples[name] = samples
        now = self._now()
        party = self._known.get(name) or self._party(NodeView(node_id, name), now)
        model = Party("Model", f"{self._run}/{round}", {"size_bytes": size, "norm": norm})
        decision = self._decide([Request(party, "shareModel", now, model)], round)[0]
        if decision.allowed:
            return None
        self._policed.add(name)
        self._tell(name, round, "shareModel", decision)
        return f"refused by policy: {decision.reason}"

    def _party(self, node: NodeView, now: int) -> Party:
        facts = dict(self._facts(node))
        if node.name in self._samples:
            facts["samples"] = self._samples[node.name]
        facts["trust"] = self._trust.score(node.name, now)
        return Party("Client", node.name, facts)

    def _decide(self, requests: Sequence[Request], round: int) -> list[Decision]:
        asked = [
            Request(
                one.principal, one.action, one.time, one.resource, one.context, self._run, round
            )
            for one in requests
        ]
        decisions = self._overseer.decide_all(asked)
        for request, decision in zip(asked, decisions, strict=True):
            if decision.observed:
                details: dict[str, Json] = {"message": decision.reason, "action": request.action}
                details["rules"] = list(decision.refused_by)
                self._say(POLICY_OBSERVED, details, round=round, node=request.principal.id)
        return decisions

    def _tell(self, name: str, round: int, action: str, decision: Decision) -> None:
        details: dict[str, Json] = {"message": decision.reason, "action": action}
        details |= {"rules": list(decision.refused_by), "version": decision.version}
        self._say(CLIENT_REFUSED, details, round=round, node=name)

    def learn(self, round: int, asked: Mapping[int, str], answers: Mapping[int, Message]) -> None:
        """Take what the round showed of each client that was asked into its trust."""
        usable = [
            name
            for node_id, name in asked.items()
            if node_id in answers and not answers[node_id].has_error()
        ]
        shares = contributed({name: self._samples.get(name, 0) for name in usable})
        changes = []
        for node_id, name in asked.items():
            cause, note = self._cause(name, answers.get(node_id))
            changes.append(self._noted(name, cause, round, note))
            if cause == "answered" and shares.get(name):
                changes.append(self._noted(name, "contributed", round, "", shares[name]))
            if cause == "answered" and self._suspected(name):
                changes.append(self._noted(name, "suspected", round, "its updates are suspected"))
        self._on_trust(changes)

    def _cause(self, name: str, reply: Message | None) -> tuple[Cause, str]:
        if reply is None:
            return "silent", "no reply"
        if not reply.has_error():
            return "answered", ""
        if name in self._policed:
            return "refused", reply.error.reason or ""
        rejected = reply.error.code == UPDATE_REJECTED
        return ("rejected" if rejected else "failed"), reply.error.reason or ""

    def _noted(self, name: str, cause: Cause, round: int, note: str, share: float = 1.0) -> Change:
        return self._trust.note(
            name, cause, self._now(), share=share, run=self._run, round=round, note=note[:300]
        )

    def evaluated(self, metrics: Mapping[str, object]) -> None:
        """Count rounds without a better model: by accuracy, else loss; unknown, nothing."""
        accuracy, loss = metrics.get(ACCURACY), metrics.get(LOSS)
        if _number(accuracy):
            figure = float(accuracy)  # type: ignore[arg-type]
        elif _number(loss):
            figure = -float(loss)  # type: ignore[arg-type]
        else:
            return
        better = self._best is None or figure > self._best
        self._best = figure if better else self._best
        self._stale = 0 if better else self._stale + 1

    def state(self) -> State:
        """The best figure so far, and how many rounds went by since."""
        return State({"best": self._best, "stale": self._stale, "samples": dict(self._samples)})

    def load(self, state: State) -> None:
        """See `Stateful`."""
        if not state.facts:
            return
        self._best = state.facts["best"]
        self._stale = state.facts["stale"]
        self._samples = dict(state.facts["samples"])


def _number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
