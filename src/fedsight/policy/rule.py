"""One rule of a policy set: its name, its reason, where it stands, and what it speaks of."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cedarpy

from fedsight.policy.faults import Fault
from fedsight.policy.obligations import Obligation, parsed
from fedsight.policy.schema import NAMESPACE
from fedsight.policy.text import Place, Token, place

Effect = Literal["permit", "forbid"]

ID, REASON, OBLIGES, OWNER, PRIORITY = "id", "reason", "obliges", "owner", "priority"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
MOST_REASON = 300
_ANY: Mapping[str, Any] = {"op": "All"}


@dataclass(frozen=True)
class Rule:
    """A rule as it was written. `actions` are the actions and groups in its head; empty: any."""

    id: str
    effect: Effect
    reason: str
    file: str
    place: Place
    text: str
    actions: frozenset[str]
    obligations: tuple[Obligation, ...]
    form: Mapping[str, Any]

    def speaks_of(self, groups: frozenset[str], principal: str, resource: str) -> bool:
        """Whether it can decide about an action that is in these groups, itself among them, and
        about parties of these types."""
        if self.actions and not self.actions & groups:
            return False
        return _type(self.form["principal"], principal) and _type(self.form["resource"], resource)

    @property
    def body(self) -> Mapping[str, Any]:
        """The rule without those parts of its head that `speaks_of` judges."""
        heads = {side: _beyond_type(self.form[side]) for side in ("principal", "resource")}
        return {**self.form, **heads, "action": _ANY}

    @property
    def names_action(self) -> bool:
        """Whether its conditions look at the action."""
        return '{"Var": "action"}' in json.dumps(self.form["conditions"])

    @property
    def names_context(self) -> bool:
        """Whether its conditions look at the context: the moment, and what else is told."""
        return '{"Var": "context"}' in json.dumps(self.form["conditions"])


def read(file: str, text: str, part: Sequence[Token]) -> Rule | Fault:
    """The rule that the tokens `part` of `text` are; a Fault where it has no name or reason."""
    where = place(text, part[0].start)
    written = text[part[0].start : part[-1].end]
    policies = json.loads(cedarpy.policies_to_json_str(written))
    if policies["templates"]:
        return Fault(
            file, where, "a template (?principal, ?resource) decides nothing; write a rule"
        )
    (form,) = policies["staticPolicies"].values()
    said: dict[str, str] = form.get("annotations", {})
    name, reason = said.get(ID, ""), (said.get(REASON) or "").strip()
    if not _NAME.fullmatch(name):
        return Fault(
            file, where, f'a rule needs @id("name"): letters, digits, ".", "_", "-"; got {name!r}'
        )
    if not 0 < len(reason) <= MOST_REASON:
        return Fault(file, where, f'rule {name} needs @reason("…") of 1 to {MOST_REASON} letters')
    obligations: tuple[Obligation, ...] = ()
    if said.get(OBLIGES) is not None:
        if form["effect"] != "permit":
            return Fault(file, where, f"rule {name} forbids: only a permit can oblige (@obliges)")
        try:
            owner, priority = said.get(OWNER) or "", said.get(PRIORITY) or "0"
            obligations = parsed(said[OBLIGES], owner, priority, name)
        except ValueError as error:
            return Fault(file, where, f"rule {name}: {error}")
    actions = _actions(form["action"])
    return Rule(name, form["effect"], reason, file, where, written, actions, obligations, form)


def _type(scope: Mapping[str, Any], kind: str) -> bool:
    """Whether an entity of that type can be in a scope."""
    return bool(scope["op"] != "is" or scope["entity_type"] == f"{NAMESPACE}::{kind}")


def _beyond_type(scope: Mapping[str, Any]) -> Mapping[str, Any]:
    """A scope that its type was judged of."""
    if scope["op"] != "is":
        return scope
    return {"op": "in", **scope["in"]} if "in" in scope else _ANY


def _actions(scope: Mapping[str, Any]) -> frozenset[str]:
    if scope["op"] == "All":
        return frozenset()
    entities = scope.get("entities") or [scope["entity"]]
    return frozenset(one["id"] for one in entities)
