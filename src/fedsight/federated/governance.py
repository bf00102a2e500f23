"""What a governed run asks the policy engine, and what it learns of its clients."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from flwr.app import Message

from fedsight.federated.beginning import SERVER, START, run_party
from fedsight.federated.clients import Facts, told
from fedsight.federated.clock import Clock
from fedsight.federated.evidence import Evidence, Shown
from fedsight.federated.fleet import NodeView
from fedsight.federated.refusals import Refusals
from fedsight.federated.rounds.exchange import Missed
from fedsight.federated.rounds.muster import Say
from fedsight.federated.runs.state import State, joined, part
from fedsight.federated.selection import Limit
from fedsight.policy import Decision, Obligation, Party, Request
from fedsight.policy.obligations import settled
from fedsight.policy.trust import Book, Change
from fedsight.signals import Json, Sample

RUN_GOVERNED, ROUND_POLICY_DENIED, CLIENT_REFUSED, POLICY_OBSERVED = (
    "RUN_GOVERNED",
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

    def foresee(self, requests: Sequence[Request]) -> list[Decision]:
        """What the answers would be, where nothing is done on them. Never raises."""


class Denial(NamedTuple):
    """Why a run may not begin or go on, and the rules that say so; of what was asked, where it was
    policy's decision and no bound."""

    message: str
    rules: tuple[str, ...]
    asked: tuple[str, Decision] | None = None


class Update(NamedTuple):
    """An update as it was measured: of which node, its size (bytes), its norm, and for how many
    samples it says it stands; None where it does not say."""

    node_id: int
    name: str
    size: int
    norm: float
    samples: int | None


class Verdict(NamedTuple):
    """What policy says of an update: why it is not taken, None where it is; and the norm that it
    may have, None: any."""

    refusal: str | None
    longest: float | None = None


#: Answers requests of a round.
_Ask = Callable[[Sequence[Request], int], list[Decision]]

#: Told of the set that decides from a round on: (round, its version, that of the one before or "").
OnSet = Callable[[int, str, str], None]


class Governance:
    """One run as policy sees it.

    `rounds` is how many the run is to have, `private` whether it has differential privacy, `facts`
    what is known of a node, `suspected` whether a node's updates are, by name. `say` is told of
    refusals, `on_trust` of each change of trust, `on_figures` of counts of refusals at the end of
    each round, `on_set` of the policy set that decides, once and whenever it is another. With
    `look` a changed policy set is taken before each round.
    """

    def __init__(
        self,
        overseer: Decides,
        trust: Book,
        run: str,
        rounds: int,
        *,
        server: str = SERVER,
        private: bool = False,
        facts: Facts = told,
        suspected: Callable[[str], bool] = lambda _: False,
        say: Say = lambda *_, **__: None,
        on_trust: Callable[[Sequence[Change]], None] = lambda _: None,
        on_figures: Callable[[list[Sample]], None] = lambda _: None,
        on_set: OnSet = lambda *_: None,
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
        self._say = say
        self._on_trust = on_trust
        self._on_figures = on_figures
        self._on_set = on_set
        self._look = look
        self._now = now or Clock().now
        self._evidence = Evidence(trust, run, suspected)
        self._obliged: dict[str, Obligation] = {}
        self._started: tuple[Obligation, ...] = ()
        self._samples: dict[str, int] = {}
        self._views: dict[str, NodeView] = {}
        self._known: dict[str, Party] = {}
        self._best: float | None = None
        self._stale = 0
        self._version = ""
        self._policed: set[str] = set()
        self._refusals = Refusals()

    def may_start(self, round: int) -> Denial | None:
        """Why the run may not start, None where it may."""
        self._look()
        what = "the policy does not let the run start"
        refusal = self._asked(START, round, 0, what, self._decide)
        self._started = tuple(self._obliged.values())
        return refusal

    def may_go_on(self, round: int, clients: int) -> Denial | None:
        """Why round `round` may not begin, in which `clients` may train; None where it may. Asked
        by the set by which it was decided who that is (`refused`)."""
        return self._next(round, clients, self._decide)

    def could_go_on(self, round: int, clients: int) -> bool:
        """Whether it may begin if so many come. Nothing is told of the answer or follows from it;
        that it was asked is recorded by a policy service alone."""
        obliged = self._obliged
        try:
            return self._next(round, clients, self._foresee) is None
        finally:
            self._obliged = obliged

    def _next(self, round: int, clients: int, ask: _Ask) -> Denial | None:
        what = f"the policy does not let round {round}"
        refusal = self._asked("nextRound", round, clients, what, ask)
        if refusal is not None:
            return refusal
        for name, value in (("max_rounds", round), ("min_clients", clients)):
            bound = self._obliged.get(name)
            if bound is not None and not bound.holds(value):
                return _broken(bound, f"got {value}")
        limit = self.limit(clients)
        if limit is not None and limit.most == 0:
            return _broken(self._obliged["fraction"], f"of {clients} clients that is nobody")
        return None if limit is None else self.may_train(min(clients, limit.most))

    def may_train(self, chosen: int) -> Denial | None:
        """Why the round may not go on with so many clients chosen, None where it may."""
        bound = self._obliged.get("min_clients")
        if bound is None or bound.holds(chosen):
            return None
        return _broken(bound, f"{chosen} were chosen")

    def limit(self, clients: int) -> Limit | None:
        """How many of so many clients may train at once, where policy bounds their fraction."""
        bound = self._obliged.get("fraction")
        if bound is None or bound.holds(1.0):
            return None
        return Limit(math.floor(round(bound.value * clients, 9)), f"beyond {bound}")

    def _asked(self, action: str, round: int, clients: int, what: str, ask: _Ask) -> Denial | None:
        run = run_party(
            self._run,
            self._rounds,
            round=round,
            clients=clients,
            stale=self._stale,
            private=self._private,
        )
        decision = ask([Request(self._server, action, self._now(), run)], round)[0]
        if not decision.allowed:
            begin = " begin" if action == "nextRound" else ""
            message = f"{what}{begin}: {decision.reason}"
            return Denial(message, decision.refused_by, (action, decision))
        # What a run was let start with holds on, but where the same rule says it anew.
        anew = {one.id for one in decision.rules}
        held = [one for one in self._started if one.rule not in anew]
        self._obliged = {one.parameter: one for one in settled([*held, *decision.obligations])}
        return None

    def deny(self, round: int, denial: Denial) -> None:
        """Say that the run ends for it."""
        if denial.asked is not None:
            self._refusals.count(*denial.asked)
        details: dict[str, Json] = {"message": denial.message, "rules": list(denial.rules)}
        self._say(ROUND_POLICY_DENIED, details, round=round)
        self._tell_figures(round)

    def refused(
        self, nodes: Sequence[NodeView], round: int, action: str = "train"
    ) -> dict[int, str]:
        """Which of the nodes may not do it in this round, and why, by id."""
        self._look()
        now = self._now()
        if action == "train":
            self._policed = set()
        self._views |= {node.name: node for node in nodes}
        self._known |= {party.id: party for party in self._parties(nodes, now)}
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

    def judge(self, updates: Sequence[Update], round: int) -> list[Verdict]:
        """What policy says of updates that came together, in order."""
        now = self._now()
        asked = [
            Request(self._sender(one, now), "shareModel", now, self._model(one, round))
            for one in updates
        ]
        decisions = self._decide(asked, round)
        return [self._ruled(*pair, round) for pair in zip(updates, decisions, strict=True)]

    def _sender(self, update: Update, now: int) -> Party:
        """Who sent it, with the samples that it stands for."""
        name, samples = update.name, update.samples
        if samples is not None:
            self._samples[name] = samples
        party = self._known.get(name)
        if party is None:
            node = self._views.get(name) or NodeView(update.node_id, name)
            return self._parties([node], now)[0]
        if samples is not None and party.attributes.get("samples") != samples:
            return Party(party.type, party.id, {**party.attributes, "samples": samples})
        return party

    def _model(self, update: Update, round: int) -> Party:
        about = {"size_bytes": update.size, "norm": update.norm}
        return Party("Model", f"{self._run}/{round}/{update.node_id}", about)

    def _ruled(self, update: Update, decision: Decision, round: int) -> Verdict:
        if decision.allowed:
            if not (self._obliged or decision.obligations):
                return Verdict(None)
            own = settled([*self._obliged.values(), *decision.obligations])
            return Verdict(
                None, next((one.value for one in own if one.parameter == CLIP_NORM), None)
            )
        self._policed.add(update.name)
        self._refusals.count("shareModel", decision, update.name)
        self._tell(update.name, round, "shareModel", decision)
        return Verdict(f"refused by policy: {decision.reason}")

    def _parties(self, nodes: Sequence[NodeView], now: int) -> list[Party]:
        """The nodes as policy sees them."""
        scores = self._trust.scores_of([node.name for node in nodes], now)
        found = []
        for node, trust in zip(nodes, scores, strict=True):
            facts = {**self._facts(node), "trust": trust, "private": self._private}
            if node.name in self._samples:
                facts["samples"] = self._samples[node.name]
            found.append(Party("Client", node.name, facts))
        return found

    def _decide(self, requests: Sequence[Request], round: int) -> list[Decision]:
        asked = self._of_run(requests, round)
        decisions = self._overseer.decide_all(asked)
        for request, decision in zip(asked, decisions, strict=True):
            if decision.version not in ("", self._version):
                before, self._version = self._version, decision.version
                self._on_set(round, decision.version, before)
            if decision.observed:
                details: dict[str, Json] = {"message": decision.reason, "action": request.action}
                details["rules"] = list(decision.refused_by)
                self._say(POLICY_OBSERVED, details, round=round, node=request.principal.id)
        return decisions

    def _foresee(self, requests: Sequence[Request], round: int) -> list[Decision]:
        return self._overseer.foresee(self._of_run(requests, round))

    def _of_run(self, requests: Sequence[Request], round: int) -> list[Request]:
        return [
            Request(
                one.principal, one.action, one.time, one.resource, one.context, self._run, round
            )
            for one in requests
        ]

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
        shown = Shown(asked, answers, missed, self._samples, self._policed)
        changes = self._evidence.learn(shown, round, self._now())
        for one in changes:
            self._known.pop(one.client, None)
        self._on_trust(changes)
        self._tell_figures(round)

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
        """The best figure so far, how many rounds went by since, the set's version, and counts of
        refusals."""
        facts: dict[str, Json] = {"best": self._best, "stale": self._stale}
        own = State({**facts, "samples": dict(self._samples), "version": self._version})
        kept = joined({REFUSALS: self._refusals.state()})
        return State({**own.facts, **kept.facts})

    def load(self, state: State) -> None:
        """See `Stateful`."""
        if not state.facts:
            return
        self._best = state.facts["best"]
        self._stale = state.facts["stale"]
        self._samples = dict(state.facts["samples"])
        self._version = state.facts.get("version", "")  # runs before had none
        self._refusals.load(part(state, REFUSALS))


def _broken(bound: Obligation, got: str) -> Denial:
    return Denial(f"the policy obliges to {bound}, {got}", (bound.rule,))


def _number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
