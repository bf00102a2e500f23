"""A policy set: rules, schema and federation, validated before anything is judged by them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import cedarpy

from fedsight.policy import federation as federations
from fedsight.policy import rule as rules
from fedsight.policy import upgrading
from fedsight.policy.entities import Entities, encoded, misfit
from fedsight.policy.faults import Fault, PolicyError, located, policy_complaint
from fedsight.policy.federation import Federation
from fedsight.policy.obligations import BINDING, Obligation
from fedsight.policy.rule import Rule
from fedsight.policy.schema import NAMESPACE, Schema
from fedsight.policy.text import Place, Token, place, statements, tokens

RULES, SCHEMA, TESTS = ".cedar", "fedsight.cedarschema", ".test.toml"
#: So much text and so many rules are taken.
MOST_BYTES, MOST_RULES = 4 * 2**20, 5000
#: Said wherever a set without rules is taken: it is no mistake, and it must not go unseen.
EMPTY = "the policy set has no rule: everything is refused"

_QUOTED = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class RuleSet:
    """A policy set that is right in itself. Equal files, equal `version`: its first 12 digits.

    `files` has the text of everything that decides and of the tests, by file name.
    """

    files: Mapping[str, str]
    rules: tuple[Rule, ...]
    schema: Schema
    federation: Federation
    digest: str

    @property
    def version(self) -> str:
        """The beginning of the SHA-256 of all that decides."""
        return self.digest[:12]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What must not go unseen, although the set is right."""
        empty = () if self.rules else (EMPTY,)
        lacking = upgrading.warnings(SCHEMA, self.schema)
        return (*empty, *map(_idle, self._unbound()), *lacking)

    def _unbound(self) -> Iterable[tuple[Rule, Obligation]]:
        """Obligations that bind nobody: no permit of a governed run has them."""
        bound = {
            (rule.id, parameter)
            for (action, *types), parameters in BINDING.items()
            if action in self.actions and not self.of_node
            for rule in self.about(action, *types)
            for parameter in parameters
        }
        for rule in self.rules:
            for one in rule.obligations:
                if (rule.id, one.parameter) not in bound:
                    yield rule, one

    @property
    def of_node(self) -> bool:
        """Whether it is one by which a node decides: it knows what a message brings."""
        return "model_bytes" in self.schema.entities.get("Run", {})

    @property
    def actions(self) -> frozenset[str]:
        """The actions of the schema, and its groups of actions."""
        return frozenset(self.schema.groups)

    def about(self, action: str, principal: str, resource: str) -> tuple[Rule, ...]:
        """The rules that can decide about an action and parties of these types."""
        groups = self.schema.groups[action]
        return tuple(one for one in self.rules if one.speaks_of(groups, principal, resource))

    def rule(self, id_: str) -> Rule | None:
        """The rule of that name."""
        return next((one for one in self.rules if one.id == id_), None)


def parsed(forms: Mapping[str, Mapping[str, Any]]) -> cedarpy.PolicySet:
    """Rules as Cedar's JSON has them, under their names, as Cedar's handle."""
    whole = {"templates": {}, "staticPolicies": forms, "templateLinks": []}
    return cedarpy.PolicySet.from_json_str(json.dumps(whole))


def _idle(unbound: tuple[Rule, Obligation]) -> str:
    rule, one = unbound
    where = "startRun or nextRound"
    if one.parameter == "clip_norm":
        where += ", or of shareModel"
    return (
        f"{rule.file}:{rule.place.line}:{rule.place.column}: rule {rule.id} obliges to"
        f" {one.parameter} {one.bound} {one.value:g}, which binds nobody: only a permit of {where}"
        " in the set that governs a run does"
    )


def ruleset(files: Mapping[str, str]) -> RuleSet:
    """The policy set that these texts are, by file name.

    Raises PolicyError with everything that is wrong: syntax with line, column and what was
    expected, rules without @id or @reason, two of one @id, and what does not fit the schema.
    """
    _check_size(files)
    for wanted in (SCHEMA, federations.FILE):
        if wanted not in files:
            raise PolicyError([Fault(wanted, None, "is missing from the policy set")])
    schema = Schema.read(SCHEMA, files[SCHEMA])
    federation = federations.read(files[federations.FILE])
    _check_federation(schema, federation, files[federations.FILE])
    found, faults = _all_rules(files)
    faults += _doubled(found)
    if not faults:
        faults += _misfits(found, files, schema)
    if faults:
        raise PolicyError(faults)
    return RuleSet(dict(files), tuple(found), schema, federation, _digest(files))


def _check_size(files: Mapping[str, str]) -> None:
    size = sum(len(text) for text in files.values())
    if size > MOST_BYTES:
        message = f"the set has {size} letters, at most {MOST_BYTES} are read"
        raise PolicyError([Fault(SCHEMA, None, message)])


def _digest(files: Mapping[str, str]) -> str:
    deciding = {name: text for name, text in files.items() if not name.endswith(TESTS)}
    return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()


def _check_federation(schema: Schema, federation: Federation, text: str) -> None:
    try:
        entity = Entities(schema, federation).federation()
        try:
            cedarpy.Entities.from_json_str(f"[{encoded(entity).decode()}]", schema.handle)
        except ValueError as error:
            raise ValueError(misfit(schema, entity)) from error
    except ValueError as error:
        named = [
            key for key in federation.limits if re.search(rf"\b{re.escape(key)}\b", str(error))
        ]
        where = federations.place_of(text, named[0]) if named else None
        where = where or federations.place_of(text, "[limits]") or Place(1, 1)
        raise PolicyError([Fault(federations.FILE, where, f"limits: {error}")]) from error


def _all_rules(files: Mapping[str, str]) -> tuple[list[Rule], list[Fault]]:
    found, faults = list[Rule](), list[Fault]()
    for file in sorted(name for name in files if name.endswith(RULES)):
        for part in statements(files[file]):
            one = located(file, files[file], part, policy_complaint)
            if one is not None:
                faults.append(one)
                break  # what comes after a broken statement is not told apart from it
            read = rules.read(file, files[file], part)
            (found if isinstance(read, Rule) else faults).append(read)  # type: ignore[arg-type]
            if len(found) > MOST_RULES:
                faults.append(Fault(file, None, f"more than {MOST_RULES} rules"))
                return found, faults
    return found, faults


def _doubled(found: Iterable[Rule]) -> list[Fault]:
    first: dict[str, Rule] = {}
    faults = []
    for one in found:
        other = first.setdefault(one.id, one)
        if other is not one:
            where = f"{other.file}:{other.place.line}"
            faults.append(Fault(one.file, one.place, f"@id {one.id!r} is taken by {where}"))
    return faults


def _misfits(found: Iterable[Rule], files: Mapping[str, str], schema: Schema) -> list[Fault]:
    """What of the rules does not fit the schema, each at the word that does not."""
    faults = []
    for one in found:
        result = cedarpy.validate_policies(one.text, schema.handle)
        if not result.validation_passed:
            faults += [_misfit(one, files[one.file], error.error) for error in result.errors]
    return faults


def _misfit(one: Rule, text: str, error: str) -> Fault:
    message = re.sub(r"^for policy `[^`]*`, ", "", error)
    where = _named(one, text, message) or one.place
    return Fault(one.file, where, f"rule {one.id}: {message}")


def _named(one: Rule, text: str, message: str) -> Place | None:
    """Where the first word stands that the message quotes."""
    begin = text.find(one.text)
    quoted = [word.split("::")[-1].strip('"') for word in _QUOTED.findall(message)]
    inside: list[Token] = tokens(one.text)
    for word in quoted:
        for token in inside:
            if token.text.strip('"') == word and token.text not in {NAMESPACE, "principal"}:
                return place(text, begin + token.start)
    return None
