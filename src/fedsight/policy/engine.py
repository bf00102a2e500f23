"""The engine: a request in, a decision out. Pure; nothing is allowed that could not be judged.

It asks Cedar with handles that were parsed once: the rules that can decide (`slices`), and for each
party the entities as they were last seen. A decision is never remembered.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import cedarpy

from fedsight.policy.decision import Decision, Ruling
from fedsight.policy.entities import FEDERATION, OPERATOR, Entities, encoded, misfit, uid
from fedsight.policy.obligations import Obligation, settled
from fedsight.policy.request import Request, overlong
from fedsight.policy.ruleset import RuleSet
from fedsight.policy.slices import Kinds, Slice, Slices
from fedsight.policy.text import tokens

#: So many parsed entities of parties are kept, and no more than come of so many bytes.
MOST_KEPT, MOST_KEPT_BYTES = 20_000, 16 * 2**20
#: So many clients share one handle in a batch: the parsing is shared, and a change costs one.
_CHUNK = 100


class Engine:
    """Judges requests by one policy set.

    With `observe` everything is allowed, and each decision that would have been a refusal says so
    (`Decision.observed`): for watching a new policy before it is enforced. Several threads may ask
    at once.
    """

    def __init__(self, ruleset: RuleSet, *, observe: bool = False) -> None:
        self.ruleset = ruleset
        self.observe = observe
        self._entities = Entities(ruleset.schema, ruleset.federation)
        self._schema = ruleset.schema.handle
        self._actions = {action: uid("Action", action) for action in ruleset.actions}
        # Whether action, types and the moment fit the schema is the same for all requests of a kind
        # (but for types whose ids the schema lists).
        self._fitting: set[Kinds] = set()
        self._enumerates = "enum" in {token.text for token in tokens(ruleset.schema.text)}
        self._rulings = {one.id: Ruling(one.id, one.effect, one.reason) for one in ruleset.rules}
        self._obligations: Mapping[str, tuple[Obligation, ...]] = {
            one.id: one.obligations for one in ruleset.rules if one.obligations
        }
        home = self._entities.federation()
        self._home = home["uid"]
        # With a schema Cedar's actions are entities too, which every parsing then copies.
        actions = any(one.names_action for one in ruleset.rules)
        self._ground = cedarpy.Entities.from_json_str(
            f"[{encoded(home).decode()}]", self._schema if actions else None
        )
        self._slices = Slices(ruleset, self._ground, self._home)
        self._kept: dict[bytes, cedarpy.Entities] = {}
        self._counts: dict[bytes, int] = {}
        self._held = self._held_bytes = 0
        self._keeping = threading.Lock()

    @property
    def version(self) -> str:
        """The policy set's version."""
        return self.ruleset.version

    @property
    def kept(self) -> int:
        """How many parsed entities are kept."""
        return self._held

    def decide(self, request: Request) -> Decision:
        """Judge one request. Never raises: what cannot be judged is refused, and says why."""
        made = self._made(request)
        return made if isinstance(made, Decision) else self._judged([made])[0]

    def decide_all(self, requests: Sequence[Request]) -> list[Decision]:
        """Judge many at once; each as if it were alone."""
        made = [self._made(one) for one in requests]
        alike: dict[tuple[Kinds, bytes, bool], list[_Made]] = {}
        for one in made:
            if isinstance(one, _Made):
                about = one.kinds, one.context, one.thing is None
                alike.setdefault(about, []).append(one)
        found: dict[int, Decision] = {}
        for group in alike.values():
            for chunk in _chunks(group):
                decided = self._judged(chunk)
                found |= zip(map(id, chunk), decided, strict=True)
        return [one if isinstance(one, Decision) else found[id(one)] for one in made]

    def key(self, request: Request) -> object:
        """What a decision depends on: requests of one key have one answer. The moment counts only
        where a rule looks at it."""
        made = self._made(request)
        if isinstance(made, Decision):
            return made.errors
        slice_ = self._slice(made)
        moment = made.context if slice_.timed else b""
        return made.kinds, made.principal, made.resource, moment, slice_.number

    def prepare(self, kinds: Iterable[Kinds], now: int) -> None:
        """Get the rules about such questions ready before one is asked, as of `now` (Unix ns)."""
        moment = encoded(self._entities.context(now, {}))
        for one in kinds:
            action = self._actions.get(one[0])
            if action is None:
                continue
            self._slices.whole(one)
            if one[2] == FEDERATION:
                self._slices.at(one, action, moment)

    def unreachable(self, why: str) -> Decision:
        """The answer where nobody could be asked: a refusal, unless the engine only observes."""
        return self._refused(f"the policy engine could not be asked: {why}", "")

    def _made(self, request: Request) -> _Made | Decision:
        """The request as Cedar takes it, or the refusal of one that cannot be judged."""
        action = request.action
        try:
            wrong = overlong(request)
            if wrong is not None:
                return self._refused(f"the request cannot be judged: {wrong}", "")
            if action not in self._actions:
                known = ", ".join(sorted(self._actions))
                return self._refused(f"unknown action {action!r}; known are {known}", "")
            principal = self._entities.of(request.principal)
            thing = None if request.resource is None else self._entities.of(request.resource)
            moment = self._entities.context(request.time, request.context)
            usual = not (request.context or self._enumerates)
            return _Made(request, principal, thing, moment, usual)
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            return self._refused(f"the request cannot be judged: {error}", "")

    def _judged(self, chunk: Sequence[_Made]) -> list[Decision]:
        """Judge requests of one action and moment, whose parties are of the same types; of no two
        entities of one name that differ."""
        first = chunk[0]
        try:
            handle = self._handle(chunk)
        except ValueError as error:
            if len(chunk) > 1:
                return [self._judged([one])[0] for one in chunk]
            return [self._refused(f"the request does not fit the schema: {error}", first.digest)]
        known = first.kinds in self._fitting and first.usual
        slice_ = self._slice(first)
        answers = cedarpy.is_authorized_batch(
            self._asked(chunk, slice_.timed or not known),
            slice_.policies,
            handle,
            None if known else self._schema,
        )
        if not known and first.usual and answers[0].decision is not cedarpy.Decision.NoDecision:
            self._fitting.add(first.kinds)
        return [
            self._decided(answer, one.digest) for answer, one in zip(answers, chunk, strict=True)
        ]

    def _asked(self, chunk: Sequence[_Made], moment: bool) -> list[dict[str, Any]]:
        """Cedar's requests, with the moment where it is looked at."""
        first = chunk[0]
        alike: dict[str, Any] = {"action": self._actions[first.action]}
        if moment:
            alike["context"] = first.context.decode()
        if first.thing is None:
            alike["resource"] = self._home
            return [{"principal": one.entity["uid"], **alike} for one in chunk]
        return [
            {"principal": one.entity["uid"], "resource": one.thing["uid"], **alike}
            for one in chunk
            if one.thing is not None
        ]

    def _slice(self, one: _Made) -> Slice:
        """The rules that can decide about it."""
        if one.thing is None and one.usual:
            return self._slices.at(one.kinds, self._actions[one.action], one.context)
        return self._slices.whole(one.kinds)

    def _handle(self, chunk: Sequence[_Made]) -> cedarpy.Entities:
        """The parsed entities of a chunk: as they were kept, or parsed now. Raises ValueError."""
        who = dict.fromkeys([one.principal for one in chunk])
        about = dict.fromkeys([one.resource for one in chunk]) if chunk[0].resource else {}
        key = b",".join((*who, *about))
        kept = self._kept.get(key)
        if kept is None:
            judged = all(self._is_plain(one) for one in chunk)
            # Who sends updates was asked for before, and is mostly the same as then.
            base = self._kept.get(b",".join(who)) if len(chunk) > 1 else None
            added, base = (key, self._ground) if base is None else (b",".join(about), base)
            kept = base.with_added_json_str(f"[{added.decode()}]", None if judged else self._schema)
            self._keep(key, kept, len(who) + len(about))
        return kept

    def _keep(self, key: bytes, handle: cedarpy.Entities, count: int) -> None:
        """Keep what was parsed; what was parsed first goes where there is too much."""
        with self._keeping:
            if key in self._kept:  # another thread was first
                return
            while self._kept and (
                self._held + count > MOST_KEPT or self._held_bytes + len(key) > MOST_KEPT_BYTES
            ):
                oldest = next(iter(self._kept))
                del self._kept[oldest]
                self._held -= self._counts.pop(oldest)
                self._held_bytes -= len(oldest)
            self._kept[key], self._counts[key] = handle, count
            self._held += count
            self._held_bytes += len(key)

    def _is_plain(self, one: _Made) -> bool:
        """Whether its entities are such that they need no look by Cedar: they fit the schema.

        Raises ValueError where one does not.
        """
        plain = True
        schema = self.ruleset.schema
        for entity, kind in ((one.entity, one.kinds[1]), (one.thing, one.kinds[2])):
            if entity is None:
                continue
            wrong = misfit(schema, entity)
            if wrong is not None:
                raise ValueError(wrong)
            plain = plain and kind in schema.plain and kind != OPERATOR
        return plain

    def _decided(self, answer: cedarpy.AuthzResult, digest: str) -> Decision:
        said = answer.diagnostics
        errors = said.errors
        rules = tuple([self._rulings[name] for name in sorted(said.reasons)])
        if not answer.allowed or errors:
            return self._answer(False, rules, tuple(errors), digest)
        obligations: tuple[Obligation, ...] = ()
        if self._obligations and not self.observe:  # who only looks on binds nobody
            told = [one for rule in rules for one in self._obligations.get(rule.id, ())]
            obligations = settled(told) if told else ()
        return self._answer(True, rules, (), digest, obligations)

    def _refused(self, error: str, digest: str) -> Decision:
        return self._answer(False, (), (error,), digest)

    def _answer(
        self,
        allowed: bool,
        rules: tuple[Ruling, ...],
        errors: tuple[str, ...],
        digest: str,
        obligations: tuple[Obligation, ...] = (),
    ) -> Decision:
        observed = self.observe and not allowed
        version = self.ruleset.version
        return Decision(allowed or observed, rules, errors, version, digest, obligations, observed)


class _Made:
    """A request as Cedar takes it: canonical bytes of what is judged, and the entities as such.

    `kinds` are the action and the types of principal and resource. `usual`: its context is the
    moment alone.
    """

    __slots__ = ("action", "context", "entity", "kinds", "principal", "resource", "thing", "usual")

    def __init__(
        self,
        request: Request,
        entity: Mapping[str, Any],
        thing: Mapping[str, Any] | None,
        context: Mapping[str, Any],
        usual: bool,
    ) -> None:
        self.action = request.action
        self.entity = entity
        self.thing = thing
        self.principal = encoded(entity)
        self.resource = b"" if thing is None else encoded(thing)
        self.context = encoded(context)
        about = FEDERATION if request.resource is None else request.resource.type
        self.usual = usual
        self.kinds = (request.action, request.principal.type, about)

    @property
    def parts(self) -> list[tuple[tuple[str, str], bytes]]:
        """The bytes of its entities, each by its name."""
        whole = ((self.entity, self.principal), (self.thing, self.resource))
        return [((one["uid"]["type"], one["uid"]["id"]), body) for one, body in whole if one]

    @property
    def digest(self) -> str:
        """The SHA-256 of all that is judged, as canonical JSON."""
        whole = b'{"action":"%s","context":%s,"principal":%s,"resource":%s}' % (
            self.action.encode(),
            self.context,
            self.principal,
            self.resource or b"null",
        )
        return hashlib.sha256(whole).hexdigest()


def _chunks(group: Sequence[_Made]) -> Iterable[list[_Made]]:
    """Pieces of a group in which no two entities of one name differ."""
    chunk: list[_Made] = []
    known: dict[tuple[str, str], bytes] = {}
    for one in group:
        parts = one.parts
        differ = any(known.get(name, body) != body for name, body in parts)
        if chunk and (differ or len(chunk) >= _CHUNK):
            yield chunk
            chunk, known = [], {}
        chunk.append(one)
        known.update(parts)
    if chunk:
        yield chunk
