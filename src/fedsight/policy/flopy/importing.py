"""A rule file as a policy set, and a report of what could not be carried over."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from fedsight.errors import UsageError
from fedsight.policy.federation import FILE as FEDERATION
from fedsight.policy.files import default_texts
from fedsight.policy.flopy.cedar import FALSE, TRUE, Writer, quoted
from fedsight.policy.flopy.conditions import Atom, Group, Node, Unknown, condition
from fedsight.policy.rule import MOST_REASON
from fedsight.policy.ruleset import MOST_BYTES, SCHEMA, RuleSet, ruleset

FILE = "imported.cedar"
#: What each of their types, without its `fl_`, and each operation, asks for with us.
TYPES: Mapping[str, str] = {
    "client_eligibility": "participate",
    "client_start": "participate",
    "client_selection": "train",
    "server_client_filter": "train",
    "client_training": "train",
    "client_evaluation": "evaluate",
    "model_sharing": "shareModel",
    "security": "shareModel",
    "server_control": "nextRound",
    "next_round": "nextRound",
}
OPERATIONS: Mapping[str, str] = {
    "client_registration": "participate",
    "client_selection": "train",
    "model_training": "train",
    "model_evaluation": "evaluate",
    "submit_update": "shareModel",
    "model_sharing": "shareModel",
    "decide_next_round": "nextRound",
}
_ALLOWS, _DENIES = ("allow", "permit"), ("deny", "forbid", "block", "reject")
#: Words that let nothing happen and stop nothing.
_NEITHER = ("configure", "log", "monitor", "alert")
#: Where a policy or a rule says when it holds, and what besides decides nothing.
_CONDITIONS = ("condition", "conditions", "match", "logic", "logical_operator", "combinator")
_KNOWN = {
    *_CONDITIONS,
    *("action", "effect", "rules", "type", "policy_type", "enabled", "parameters", "priority"),
    *("id", "name", "description", "version", "created_at", "updated_at", "author", "tags"),
}
_RUN_ACTIONS = ("startRun", "nextRound")


class Note(Struct, frozen=True):
    """What of the file, at `where`, is not in the set as it was written."""

    where: str
    what: str


class Imported(Struct, frozen=True):
    """The set's files, the ids of the rules that were carried over, and what was not."""

    files: dict[str, str]
    rules: list[str]
    notes: list[Note]


def imported(content: bytes) -> tuple[Imported, RuleSet]:
    """The policy set of a rule file, as our own loader takes it.

    Raises UsageError where it is no rule file, PolicyError where the set would be wrong.
    """
    work = _Work()
    for where, policy in _policies(content):
        work.policy(where, policy)
    work.closing()
    texts, ours = default_texts(), [SCHEMA, FEDERATION, "operators.cedar"]
    if not any(action in _RUN_ACTIONS for action in work.allowed | work.denied):
        ours.append("runs.cedar")
    head = "// Carried over from a rule file; a name's reason is its description there.\n\n"
    files = {name: texts[name] for name in ours} | {FILE: head + "\n\n".join(work.texts) + "\n"}
    return Imported(files, work.ids, work.notes), ruleset(files)


def _policies(content: bytes) -> list[tuple[str, Any]]:
    """Every policy with its name: from a list, a table, or tables and lists by type."""
    if len(content) > MOST_BYTES:
        raise UsageError(f"the rule file is larger than {MOST_BYTES} bytes")
    try:
        found = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"the rule file is not JSON: {error}") from None
    listed = found.get("policies", found) if isinstance(found, dict) else found
    if isinstance(listed, dict):
        pairs = [(key, one, key) for key, one in listed.items()]
    elif isinstance(listed, list):
        pairs = [(str(at), one, None) for at, one in enumerate(listed, 1)]
    else:
        raise UsageError("a rule file has policies: a list, or a table")
    return [each for key, one, kind in pairs for each in _spread(key, one, kind)]


def _spread(key: str, one: Any, kind: str | None) -> list[tuple[str, Any]]:
    """Policies of one type under its name, as policies that have a type."""
    if isinstance(one, list):
        return [
            (f"{key}-{at}", {"type": kind, **each} if isinstance(each, dict) else each)
            for at, each in enumerate(one, 1)
        ]
    if isinstance(one, dict) and _plain(kind) in TYPES and "type" not in one:
        return [(key, {"type": kind, **one})]
    return [(key, one)]


class _Work:
    """What was carried over so far."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.ids: list[str] = []
        self.notes: list[Note] = []
        self.allowed: set[str] = set()
        self.denied: set[str] = set()
        self._ranks: dict[tuple[str, bool], list[float]] = {}

    def note(self, where: str, what: str) -> None:
        self.notes.append(Note(where, what))

    def policy(self, key: str, policy: Any) -> None:
        """Carry over one policy: its rules, or itself where it has none."""
        if not isinstance(policy, dict):
            self.note(key, "left out: it is no table")
            return
        name = str(policy.get("name") or policy.get("id") or key)[:100]
        if policy.get("enabled", True) is False:
            self.note(name, "left out: it is switched off")
            return
        kind = policy.get("type", policy.get("policy_type"))
        if _plain(kind) not in TYPES:
            self.note(name, f"left out: policies of type {kind!r} have no action here")
            return
        rules = policy.get("rules")
        if isinstance(rules, list) and rules and all(_is_rule(one) for one in rules):
            shared = {key: policy[key] for key in _CONDITIONS if key in policy}
            for at, one in enumerate(rules, 1):
                outer = {"action": policy.get("action"), "priority": policy.get("priority")}
                self._rule(f"{name}/{at}", _plain(kind), {**outer, **one}, shared, policy)
        else:
            self._rule(name, _plain(kind), policy, {}, policy)

    def _rule(
        self,
        where: str,
        kind: str,
        rule: Mapping[str, Any],
        shared: Mapping[str, Any],
        policy: Mapping[str, Any],
    ) -> None:
        if rule.get("enabled", True) is False:
            self.note(where, "left out: it is switched off")
            return
        word = str(rule.get("action") or rule.get("effect")).lower()
        if word in _NEITHER:
            self.note(where, f"left out: {word!r} neither allows nor denies")
            return
        denies = word not in _ALLOWS
        if denies and word not in _DENIES:
            self.note(where, f"stricter: action {word[:40]!r} is not known, and taken as deny")
        doubt = None if denies else _doubt(rule, policy)
        if doubt is not None:
            self.note(where, f"left out: {doubt}")
            return
        action, node = _what(kind, rule, shared)
        if action is None and word in _DENIES:
            action = TYPES[kind]
            self.note(where, f"stricter: its operation is not known, and taken for {action}")
        if action is None:
            self.note(where, "left out: its operation has no action here")
            return
        writer = Writer(action, denies=denies)
        text = TRUE if node is None else writer.text(node)
        for missed in dict.fromkeys(writer.missed):
            held = "counts as true" if denies else "never counts"
            mixed = missed.startswith("AND and OR")
            self.note(where, f"stricter: {missed if mixed else f'{missed}; it {held}'}")
        if text == FALSE:
            self.note(where, "left out: nothing could fulfil what is left of it")
            return
        if text == TRUE and denies and writer.missed:
            self.note(where, f"stricter: it refuses every {action} until it is written by hand")
        self._add(where, action, denies, text, rule.get("description") or policy.get("description"))
        rank = rule.get("priority")
        if type(rank) in (int, float):
            self._ranks.setdefault((action, denies), []).append(rank)  # type: ignore[arg-type]

    def _add(self, where: str, action: str, denies: bool, text: str, said: Any) -> None:
        name = _fresh(where, self.ids)
        reason = " ".join((said if isinstance(said, str) else "").split()) or where
        head = f"@id({quoted(name)})\n@reason({quoted(reason[:MOST_REASON])})\n"
        about = {"shareModel": "Model", **dict.fromkeys(_RUN_ACTIONS, "Run")}.get(
            action, "Federation"
        )
        who = "Server" if action in _RUN_ACTIONS else "Client"
        principal = f"principal is FL::{who}"
        if denies and who == "Server":
            principal = "principal"
        home = "resource" if about == "Federation" else "resource.federation"
        when = [] if denies else [f"when {{ principal in {home} }}"]
        if text != TRUE:
            when.append(f"when {{ {text} }}")
        scope = f'({principal}, action == FL::Action::"{action}", resource is FL::{about})'
        body = "\n".join([f"{'forbid' if denies else 'permit'} {scope}", *when])
        self.ids.append(name)
        self.texts.append(f"{head}{body};")
        (self.denied if denies else self.allowed).add(action)

    def closing(self) -> None:
        """Say what is so of the whole."""
        for action in sorted({*TYPES.values()} - self.allowed):
            if action not in _RUN_ACTIONS or action in self.denied:
                self.note("the set", f"stricter: no rule allows {action}, so it is refused")
        for action in sorted(self.allowed & self.denied):
            allows, denies = (self._ranks.get((action, one), []) for one in (False, True))
            if allows and denies and max(allows) > min(denies):
                what = f"stricter: a rule that denies {action} wins over one of higher priority"
                self.note("the set", what)


def _plain(kind: Any) -> str:
    """A type's name as `TYPES` has it."""
    return kind.removeprefix("fl_") if isinstance(kind, str) else ""


def _doubt(rule: Mapping[str, Any], policy: Mapping[str, Any]) -> str | None:
    """Why a rule that allows must not be carried over."""
    if not rule.get("enabled", True) is policy.get("enabled", True) is True:
        return "whether it is enabled is not known"
    unknown = sorted({*rule, *policy} - _KNOWN)
    return f"{unknown[0]!r} is not known, and might restrict it" if unknown else None


def _is_rule(one: Any) -> bool:
    """Whether it is a rule of its own, not a condition of its policy."""
    return isinstance(one, dict) and "field" not in one and ("action" in one or "match" in one)


def _what(
    kind: str, rule: Mapping[str, Any], shared: Mapping[str, Any]
) -> tuple[str | None, Node | None]:
    """The action that a rule is about, and its conditions; None where it has none."""
    parameters = rule.get("parameters")
    known = parameters if isinstance(parameters, dict) else {}
    action: str | None = TYPES[kind]
    parts = list[Node]()
    for match in (shared.get("match"), rule.get("match")):
        if isinstance(match, dict):
            operation = match.get("operation")
            if operation is not None:
                action = OPERATIONS.get(operation) if isinstance(operation, str) else None
            parts += _matched(match, known)
        elif match is not None:
            parts.append(Unknown("match is a table"))
    for key in ("condition", "conditions", "rules"):
        for holder in (rule, shared):
            if holder.get(key) not in (None, []):
                parts.append(_joined(holder, key, known))
    return action, Group("and", tuple(parts)) if parts else None


def _matched(match: Mapping[str, Any], known: Mapping[str, Any]) -> list[Node]:
    return [
        condition(value, known) if key == "condition" else Atom(key, "==", value)
        for key, value in match.items()
        if key != "operation"
    ]


def _joined(holder: Mapping[str, Any], key: str, known: Mapping[str, Any]) -> Node:
    """A rule's conditions, joined by the word that stands beside them."""
    words = [name for name in ("logic", "logical_operator", "combinator") if name in holder]
    if words and isinstance(holder[key], list):
        return condition({"conditions": holder[key], words[0]: holder[words[0]]}, known)
    return condition(holder[key], known)


def _fresh(where: str, taken: list[str]) -> str:
    """An id that no rule has yet."""
    plain = "flopy." + (re.sub(r"[^A-Za-z0-9._-]+", "-", where).strip("-.") or "rule")[:100]
    name, at = plain, 2
    while name in taken:
        name, at = f"{plain}-{at}", at + 1
    return name
