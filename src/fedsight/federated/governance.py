"""What a governed run asks the policy engine, and what it learns of its clients."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from flwr.app import Message

from fedsight.federated.clients import Facts, told
from fedsight.federated.clock import Clock
from fedsight.federated.faults import REFUSED_BY_NODE, UPDATE_REJECTED
from fedsight.federated.fleet import NodeView
from fedsight.federated.refusals import Refusals
from fedsight.federated.rounds.exchange import Missed
from fedsight.federated.rounds.muster import Say
from fedsight.federated.runs.state import State, joined, part
from fedsight.federated.selection import Limit
from fedsight.policy import Decision, Obligation, Party, Request
from fedsight.policy.obligations import settled
from fedsight.policy.trust import Book, Cause, Change, contributed
from fedsight.signals import Json, Sample

ROUND_POLICY_DENIED, CLIENT_REFUSED, POLICY_OBSERVED = (
    "ROUND_POLICY_DENIED",
    "CLIENT_REFUSED",
    "POLICY_OBSERVED",
)
#: So many clients of a round are told of one by one.
MOST_TOLD = 100
ACCURACY, LOSS = "accuracy", "loss"
REFUSALS = "refusals"
CLIP_NORM = "clip_norm"

#: Makes a run's governance, given whether a node's updates are suspected, by its name.
Govern = Callable[[Callable[[str], bool]], "Governance"]


class Decides(Protocol):
    """Who is asked: the overseer of this process, or a policy service."""

    def decide_all(self, requests: Sequence[Request]) -> list[Decision]:
        """An answer to each request, in order. Never raises."""


class Governance:
    """One run as policy sees it.

    `rounds` is how many the run is to have, `private` whether it has differential privacy, `facts`
    what is known of a node, `suspected` whether a node's updates are, by name. `say` is told of
    refusals, `on_trust` of each change of trust, `on_figures` of counts of refusals at the end of
    each round. With `look` a changed policy set is taken before each round.
    """

    def __init__(
        self,
        overseer: Decides,
        trust: Book,
        run: str,
        rounds: int,
        *,
        server: str = "server",
        private: bool = False,
        facts: Facts = told,
        suspected: Callable[[str], bool] = lambda _: False,
        say: Say = lambda *_, **__: None,
        on_trust: Callable[[Sequence[Change]], None] = lambda _: None,
        on_figures: Callable[[list[Sample]], None] = lambda _: None,
        look: Callable[[], object] = lambda: None,
        now: Callable[[], int] | None = None,
    ) -> None:
        self._overseer = overseer
        self._trust = trust
        self._run = run
        self._rounds = rounds
        self._server = Party("Server", server)
        self._private = private
        self._facts = facts
        self._suspected = suspected
        self._say = say
        self._on_trust = on_trust
        self._on_figures = on_figures
        self._look = look
        self._now = now or Clock().now
        self._obliged: dict[str, Obligation] = {}
        self._started: tuple[Obligation, ...] = ()
        self._clips: dict[str, float | None] = {}
        self._samples: dict[str, int] = {}
        self._views: dict[str, NodeView] = {}
        self._known: dict[str, Party] = {}
        self._best: float | None = None
        self._stale = 0
        self._policed: set[str] = set()
        self._refusals = Refusals()

    def may_start(self, round: int) -> str | None:
        """Why the run may not start, None where it may."""
        refusal = self._asked("startRun", round, 0, "the policy does not let the run start")
        self._started = tuple(self._obliged.values())
        return refusal

    def may_go_on(self, round: int, clients: int) -> str | None:
        """Why round `round` may not begin, in which `clients` may train; None where it may."""
        refusal = self._asked("nextRound", round, clients, f"the policy does not let round {round}")
        if refusal is not None:
            return refusal
        for name, value in (("max_rounds", round), ("min_clients", clients)):
            bound = self._obliged.get(name)
            if bound is not None and not bound.holds(value):
                return self._broken(round, bound, f"got {value}")
        limit = self.limit(clients)
        if limit is not None and limit.most == 0:
            return self._broken(
                round, self._obliged["fraction"], f"of {clients} clients that is nobody"
            )
        return None

    def may_train(self, round: int, chosen: int) -> str | None:
        """Why the round may not go on with so many clients chosen, None where it may."""
        bound = self._obliged.get("min_clients")
        if bound is None or bound.holds(chosen):
            return None
        return self._broken(round, bound, f"{chosen} were chosen")

    def limit(self, clients: int) -> Limit | None:
        """How many of so many clients may train at once, where policy bounds their fraction."""
        bound = self._obliged.get("fraction")
        if bound is None or bound.holds(1.0):
            return None
        return Limit(math.floor(round(bound.value * clients, 9)), f"beyond {bound}")

    def longest(self, name: str) -> float | None:
        """The norm that the update of a client that was allowed last may have; None: any."""
        return self._clips.get(name)

    def _asked(self, action: str, round: int, clients: int, what: str) -> str | None:
        self._look()
        figures = {"round": round, "rounds": self._rounds, "clients": clients}
        figures |= {"stale_rounds": self._stale, "private": self._private}
        run = Party("Run", self._run, figures)
        decision = self._decide([Request(self._server, action, self._now(), run)], round)[0]
        if not decision.allowed:
            begin = " begin" if action == "nextRound" else ""
            self._refusals.count(action, decision)
            return self._denied(round, f"{what}{begin}: {decision.reason}", decision.refused_by)
        # What a run was let start with holds on, but where the same rule says it anew.
        anew = {one.id for one in decision.rules}
        held = [one for one in self._started if one.rule not in anew]
        self._obliged = {one.parameter: one for one in settled([*held, *decision.obligations])}
        return None

    def _broken(self, round: int, bound: Obligation, got: str) -> str:
        return self._denied(round, f"the policy obliges to {bound}, {got}", (bound.rule,))

    def _denied(self, round: int, message: str, rules: Sequence[str]) -> str:
        self._say(ROUND_POLICY_DENIED, {"message": message, "rules": list(rules)}, round=round)
        self._tell_figures(round)
        return message

    def refused(
        self, nodes: Sequence[NodeView], round: int, action: str = "train"
    ) -> dict[int, str]:
        """Which of the nodes may not do it in this round, and why, by id."""
        self._look()
        now = self._now()
        if action == "train":
            self._policed = set()
        self._views |= {node.name: node for node in nodes}
        self._known |= {node.name: self._party(node, now) for node in nodes}
        asked = [Request(self._known[node.name], action, now) for node in nodes]
        decisions = self._decide(asked, round)
        refused = [
            (node, decision)
            for node, decision in zip(nodes, decisions, strict=True)
            if not decision.allowed
        ]
        for at, (node, decision) in enumerate(refused):
            self._refusals.count(action, decision, node.name)
            if at < MOST_TOLD:
                self._tell(node.name, round, action, decision)
        return {node.node_id: f"refused by policy: {one.reason}" for node, one in refused}

    def refuses_update(
        self, node_id: int, name: str, round: int, size: int, norm: float, samples: int | None
    ) -> str | None:
        """Why an update of `size` bytes and this norm is not taken, None where it is."""
        if samples is not None:
            self._samples[name] = samples
        now = self._now()
        party = self._known.get(name)
        if party is None:
            party = self._party(self._views.get(name) or NodeView(node_id, name), now)
        elif samples is not None and party.attributes.get("samples") != samples:
            party = Party(party.type, party.id, {**party.attributes, "samples": samples})
        model = Party("Model", f"{self._run}/{round}", {"size_bytes": size, "norm": norm})
        decision = self._decide([Request(party, "shareModel", now, model)], round)[0]
        if decision.allowed:
            own = settled([*self._obliged.values(), *decision.obligations])
            self._clips[name] = next((one.value for one in own if one.parameter == CLIP_NORM), None)
            return None
        self._policed.add(name)
        self._refusals.count("shareModel", decision, name)
        self._tell(name, round, "shareModel", decision)
        return f"refused by policy: {decision.reason}"

    def _party(self, node: NodeView, now: int) -> Party:
        facts = dict(self._facts(node))
        if node.name in self._samples:
            facts["samples"] = self._samples[node.name]
        facts["trust"] = self._trust.score(node.name, now)
        facts["private"] = self._private
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

    def _tell_figures(self, round: int) -> None:
        figures = self._refusals.figures(self._run, round, self._now())
        if figures:
            self._on_figures(figures)

    def learn(
        self,
        round: int,
        asked: Mapping[int, str],
        answers: Mapping[int, Message],
        missed: Mapping[int, Missed],
    ) -> None:
        """Take what the round showed of each client that was asked into its trust.

        `missed` says by what an answer was waited for no longer, where it may come yet.
        """
        usable = [
            name
            for node_id, name in asked.items()
            if node_id in answers and not answers[node_id].has_error()
        ]
        shares = contributed({name: self._samples.get(name, 0) for name in usable})
        changes = []
        with self._trust.together():
            for node_id, name in asked.items():
                cause, note = self._cause(name, answers.get(node_id), missed.get(node_id))
                if cause is not None:
                    changes += self._shown(name, cause, round, note, shares.get(name))
        self._on_trust(changes)
        self._tell_figures(round)

    def _shown(
        self, name: str, cause: Cause, round: int, note: str, share: float | None
    ) -> list[Change]:
        changes = [self._noted(name, cause, round, note)]
        if cause == "answered" and share:
            changes.append(self._noted(name, "contributed", round, "", share))
        if cause == "answered" and self._suspected(name):
            changes.append(self._noted(name, "suspected", round, "its updates are suspected"))
        return changes

    def _cause(
        self, name: str, reply: Message | None, missed: Missed | None
    ) -> tuple[Cause | None, str]:
        """What an answer, or that there is none, says of a client; None: nothing."""
        if reply is None:
            if missed == "quorum":  # it had no time to be late
                return None, ""
            late = missed == "deadline"
            return ("late", "no reply in time") if late else ("silent", "no reply")
        if not reply.has_error():
            return "answered", ""
        reason = reply.error.reason or ""
        if reply.error.code == REFUSED_BY_NODE:  # it has the right to
            return None, ""
        if name in self._policed:
            return "refused", reason
        return ("rejected" if reply.error.code == UPDATE_REJECTED else "failed"), reason

    def _noted(self, name: str, cause: Cause, round: int, note: str, share: float = 1.0) -> Change:
        self._known.pop(name, None)
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
        """The best figure so far, how many rounds went by since, and counts of refusals."""
        own = State({"best": self._best, "stale": self._stale, "samples": dict(self._samples)})
        kept = joined({REFUSALS: self._refusals.state()})
        return State({**own.facts, **kept.facts})

    def load(self, state: State) -> None:
        """See `Stateful`."""
        if not state.facts:
            return
        self._best = state.facts["best"]
        self._stale = state.facts["stale"]
        self._samples = dict(state.facts["samples"])
        self._refusals.load(part(state, REFUSALS))


def _number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
