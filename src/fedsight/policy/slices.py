"""The rules that can decide about a request, as Cedar's handles: few rules are judged sooner.

A set is sliced by action and types. What is asked about the federation itself is sliced by the
moment, too: a rule's first conditions that look at the federation and the clock alone hold for all
who ask in that minute or for none, so that Cedar is asked once which do. A rule of which they do
not hold cannot decide; of the others they need not be looked at again. See
docs/decisions/0174-rules-are-sliced-by-the-moment.md.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import cedarpy

from fedsight.policy.rule import Rule
from fedsight.policy.ruleset import RuleSet, parsed

#: The action and the types of principal and resource.
Kinds = tuple[str, str, str]
#: So many moments are kept.
MOST_MOMENTS = 2000


class Slice(NamedTuple):
    """Rules that can decide. `timed`: one of them looks at the context. Two slices of one kind with
    one `number` have the same rules."""

    policies: cedarpy.PolicySet
    timed: bool
    number: int = 0


class Slices:
    """Slices of one policy set. `ground` are the entities of the federation alone, `home` its name
    as Cedar's JSON has it."""

    def __init__(self, ruleset: RuleSet, ground: cedarpy.Entities, home: Mapping[str, str]) -> None:
        self._ruleset = ruleset
        self._ground = ground
        self._home = home
        self._whole: dict[Kinds, Slice] = {}
        self._begun: dict[Kinds, _Beginnings | None] = {}
        self._moments: dict[tuple[Kinds, bytes], Slice] = {}
        self._keeping = threading.Lock()

    def whole(self, kinds: Kinds) -> Slice:
        """The slice that serves for any resource and moment."""
        found = self._whole.get(kinds)
        if found is None:
            rules = self._ruleset.about(*kinds)
            timed = any(one.names_context for one in rules)
            # What chose them is left out of their heads: Cedar need not look at it again.
            found = Slice(parsed({one.id: one.body for one in rules}), timed)
            self._whole[kinds] = found
        return found

    def at(self, kinds: Kinds, action: Mapping[str, str], moment: bytes) -> Slice:
        """The slice for requests about the federation whose context is that moment alone."""
        key = kinds, moment
        found = self._moments.get(key)
        if found is None:
            found = self._sliced(kinds, action, moment)
            with self._keeping:
                if len(self._moments) >= MOST_MOMENTS:
                    del self._moments[next(iter(self._moments))]
                self._moments[key] = found
        return found

    def _sliced(self, kinds: Kinds, action: Mapping[str, str], moment: bytes) -> Slice:
        whole = self.whole(kinds)
        if kinds not in self._begun:
            begun = _Beginnings.of(self._ruleset.about(*kinds))
            self._begun[kinds] = begun
        known = self._begun[kinds]
        if known is None:
            return whole
        asked = {
            "principal": self._home,
            "action": action,
            "resource": self._home,
            "context": moment.decode(),
        }
        said = cedarpy.is_authorized(asked, known.probe, self._ground).diagnostics
        if said.errors:
            return whole  # what errs is Cedar's to say, for each that asks
        return known.where(frozenset(said.reasons))


class _Beginnings:
    """The first conditions of rules that look at nobody who asks, as a set of permits of their own:
    Cedar names those that hold."""

    def __init__(self, rules: Sequence[Rule], lengths: Mapping[str, int]) -> None:
        self._rules = rules
        self._lengths = lengths
        self._slices: dict[frozenset[str], Slice] = {}
        self.probe = parsed(
            {one.id: _permit(one, lengths[one.id]) for one in rules if lengths[one.id]}
        )

    @classmethod
    def of(cls, rules: Sequence[Rule]) -> _Beginnings | None:
        """Those of these rules; None where none has any."""
        lengths = {one.id: _length(one) for one in rules}
        return cls(rules, lengths) if any(lengths.values()) else None

    def where(self, holding: frozenset[str]) -> Slice:
        """The slice where the beginnings of these rules hold, and of no others."""
        found = self._slices.get(holding)
        if found is None:
            left = {
                one.id: {**one.body, "conditions": one.form["conditions"][self._lengths[one.id] :]}
                for one in self._rules
                if one.id in holding or not self._lengths[one.id]
            }
            timed = any(_looks_at(form["conditions"], "context") for form in left.values())
            found = Slice(parsed(left), timed, len(self._slices) + 1)
            self._slices[holding] = found
        return found


def _length(rule: Rule) -> int:
    """How many conditions a rule begins with that depend on federation and moment alone."""
    conditions = rule.form["conditions"]
    for at, one in enumerate(conditions):
        # An entity that is named can be the one that asks.
        if _looks_at(one, "principal") or '"__entity"' in json.dumps(one):
            return at
    return len(conditions)


def _looks_at(conditions: Any, variable: str) -> bool:
    return f'{{"Var": "{variable}"}}' in json.dumps(conditions)


def _permit(rule: Rule, length: int) -> Mapping[str, Any]:
    anybody = {side: {"op": "All"} for side in ("principal", "action", "resource")}
    return {**anybody, "effect": "permit", "conditions": rule.form["conditions"][:length]}
