"""FLOPY-NET's rule files: what is not understood is reported, and never allowed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedsight.errors import UsageError
from fedsight.policy import Engine
from fedsight.policy.flopy import Imported, imported
from tests.policy.asked import asks, client, shares


def policy(action: str = "allow", kind: str = "fl_client_selection", **more: Any) -> dict[str, Any]:
    return {"name": "p", "type": kind, "priority": 1, "enabled": True, "action": action, **more}


def taken(*policies: Any) -> tuple[Imported, Engine]:
    found, rules = imported(json.dumps({"version": 2, "policies": policies}).encode())
    return found, Engine(rules)


def trains(engine: Engine, name: str = "hospital-a", **changes: Any) -> bool:
    return engine.decide(asks("train", client(name, **changes))).allowed


def told(found: Imported) -> str:
    return "\n".join(f"{one.where}: {one.what}" for one in found.notes)


def test_conditions_are_carried_over_with_their_reason() -> None:
    ask = [{"field": "client_trust_score", "operator": ">=", "value": 0.7}]
    found, engine = taken(policy(conditions=ask, description="trusted clients"))
    assert found.rules == ["flopy.p"]
    assert trains(engine, trust=0.7)
    assert not trains(engine, trust=0.6999)
    assert engine.decide(asks("train", client())).reason == "trusted clients"
    assert not engine.decide(asks("evaluate", client())).allowed
    assert "no rule allows evaluate" in told(found)


def test_rules_with_a_match_a_condition_and_parameters() -> None:
    rules = [
        {"action": "allow", "match": {"operation": "submit_update"}},
        {
            "action": "deny",
            "description": "too large",
            "match": {"operation": "submit_update", "condition": "model_size_mb >= most"},
            "parameters": {"most": 1.5},
        },
        {"action": "configure", "match": {"operation": "submit_update"}},
        {"action": "verify", "match": {"operation": "what"}},
    ]
    found, engine = taken({"name": "security", "type": "fl_security", "rules": rules})
    assert found.rules == ["flopy.security-1", "flopy.security-2"]
    assert engine.decide(shares(3 * 2**19 - 1)).allowed
    assert engine.decide(shares(3 * 2**19)).reason == "too large"
    assert not engine.decide(shares(None)).allowed


@pytest.mark.parametrize(
    ("action", "text", "trust", "samples", "allowed"),
    [
        # Bracketed: one reading. Unbracketed: what both readings allow, what neither denies.
        ("allow", "trust > 0.5 OR (trust > 0.1 AND samples > 9)", 0.9, 1, True),
        ("allow", "trust > 0.5 OR trust > 0.1 AND samples > 9", 0.9, 1, False),
        ("allow", "trust > 0.5 OR trust > 0.1 AND samples > 9", 0.9, 10, True),
        ("deny", "trust > 0.5 OR trust > 0.1 AND samples > 9", 0.9, 1, False),
        ("deny", "trust > 0.5 OR trust > 0.1 AND samples > 9", 0.05, 10, True),
        ("deny", "(trust > 0.5 OR trust > 0.1) AND samples > 9", 0.9, 1, True),
    ],
)
def test_mixed_and_or(action: str, text: str, trust: float, samples: int, allowed: bool) -> None:
    more = () if action == "allow" else (policy(name="all"),)
    _, engine = taken(policy(action, condition=text), *more)
    assert trains(engine, trust=trust, samples=samples) is allowed


def test_mixed_words_between_listed_conditions() -> None:
    def one(name: str, value: int, word: str | None = None) -> dict[str, Any]:
        joined = {} if word is None else {"logic": word}
        return {"field": name, "operator": "gte", "value": value, **joined}

    listed = [one("cpu_count", 8, "OR"), one("cpu_count", 2, "AND"), one("memory_mb", 9000)]
    found, engine = taken(policy(conditions=listed))
    assert "mixed without brackets" in told(found)
    assert not trains(engine, cpu_count=16, memory_mb=1)
    assert trains(engine, cpu_count=16, memory_mb=9000)
    either = {"operator": "OR", "conditions": [one("cpu_count", 8), one("memory_mb", 9000)]}
    _, engine = taken(policy(conditions=either))
    assert trains(engine, cpu_count=8, memory_mb=1)
    assert not trains(engine, cpu_count=7, memory_mb=1)


@pytest.mark.parametrize(
    "name",
    ['a"b', "a\\", 'x") || true || ("', "\n\r\t\0", "ü☃\U0001f600", "a*b", "//", "' or '1'=='1"],
)
def test_strings_are_quoted_and_mean_themselves(name: str) -> None:
    only = [{"field": "client_id", "operator": "==", "value": name}]
    found, engine = taken(policy(conditions=only, name=name, description=name))
    assert len(found.rules) == 1
    assert trains(engine, name)
    assert not trains(engine, "hospital-a")
    assert not trains(engine, name + "x")


def test_a_name_that_is_the_beginning_of_another_is_another() -> None:
    listed = [{"field": "client_id", "operator": "in", "value": ["h-1", "h-2"]}]
    _, engine = taken(policy(), policy("deny", conditions=listed, name="q"))
    assert not trains(engine, "h-1")
    assert trains(engine, "h-10")
    found, engine = taken(
        policy(conditions=[{"field": "client_id", "operator": "startswith", "value": "h"}])
    )
    assert not found.rules
    assert not trains(engine, "h-1")


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "magic"},
        {"kind": "network_security"},
        {"enabled": False},
        {"enabled": "yes"},
        {"only_from": "mars"},
        {"action": "perhaps"},
        {"action": None},
        {"condition": "NOT trust > 0.5"},
        {"condition": "trust > 0.5 XOR samples > 1"},
        {"condition": "trust > threshold"},
        {"condition": "(trust > 0.5"},
        {"condition": "(" * 2000 + "trust > 0.1" + ")" * 2000},
        {"condition": ""},
        {"conditions": [{"field": "trust", "operator": ">=", "value": "0.1"}]},
        {"conditions": [{"field": "trust", "operator": ">=", "value": True}]},
        {"conditions": [{"field": "trust", "operator": ">=", "value": 0.12345}]},
        {"conditions": [{"field": "samples", "operator": ">=", "value": 1e300}]},
        {"conditions": [{"field": "mood", "operator": "==", "value": "good"}]},
        {"conditions": [{"field": "trust", "operator": ">=", "value": 0.1, "unless": 1}]},
        {"conditions": {"not": [{"field": "trust", "operator": ">=", "value": 0.9}]}},
        {"conditions": 7},
        {"rules": [7, {"action": "allow"}]},
    ],
)
def test_what_is_not_understood_is_reported_and_never_allowed(changes: dict[str, Any]) -> None:
    found, engine = taken(policy(**changes))
    assert [one for one in found.notes if one.where != "the set"], found
    assert not trains(engine)


def test_what_a_denial_does_not_understand_counts_as_true() -> None:
    unknown = "mood == 'bad' AND cpu_count < 4"
    found, engine = taken(policy(), policy("deny", condition=unknown, name="q"))
    assert "'mood' is not known of train; it counts as true" in told(found)
    assert trains(engine, cpu_count=4)
    assert not trains(engine, cpu_count=3)
    found, engine = taken(policy(), policy("deny", condition="mood == 'bad'", name="q"))
    assert "refuses every train" in told(found)
    assert not trains(engine)
    _, engine = taken(policy(), policy("deny", condition="samples < 5", name="q"))
    assert not trains(engine, samples=None)


def test_a_denial_of_an_unknown_operation_counts_for_its_type() -> None:
    what = {"operation": "teleport", "condition": "cpu_count < 4"}
    found, engine = taken(policy(), policy("deny", match=what, name="q"))
    assert "q: stricter: its operation is not known, and taken for train" in told(found)
    assert trains(engine, cpu_count=4)
    assert not trains(engine, cpu_count=3)
    found, engine = taken(policy(match=what))
    assert not trains(engine, cpu_count=3)


def test_hours_priorities_and_two_of_one_name() -> None:
    found, engine = taken(
        policy(priority=9), policy("deny", condition="current_hour >= 9 AND current_hour <= 11")
    )
    assert found.rules == ["flopy.p", "flopy.p-2"]
    assert "wins over one of higher priority" in told(found)
    assert trains(engine)  # at noon
    _, engine = taken(policy(), policy("deny", condition="current_hour == 12"))
    assert not trains(engine)


@pytest.mark.parametrize("content", [b"", b"{", b"7", b'{"policies": 1}', b"[" * 100_000, b"\xff"])
def test_what_is_no_rule_file(content: bytes) -> None:
    with pytest.raises(UsageError):
        imported(content)


scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
words = st.sampled_from(
    [
        "trust",
        "samples",
        "AND",
        "OR",
        "(",
        ")",
        ">=",
        "<",
        "0.5",
        "3",
        "'a",
        '"b"',
        "not",
        "client_id",
    ]
)
texts = st.lists(words, max_size=9).map(" ".join) | st.text(max_size=20)
atoms = st.fixed_dictionaries(
    {
        "field": st.sampled_from(["trust", "samples", "client_id", "memory_gb", "x"]),
        "operator": st.sampled_from(["==", ">=", "lt", "in", "contains", "~"]),
        "value": scalars | st.lists(scalars, max_size=3),
    },
    optional={"logic": st.sampled_from(["AND", "OR", "XOR"])},
)
nested = st.recursive(
    texts | atoms | scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["conditions", "logic", "and", "or", "any"]), inner)
    ),
    max_leaves=6,
)
policies = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["fl_client_selection", "model_sharing", "fl_server_control"]),
        "action": st.sampled_from(["allow", "deny", "configure"]) | scalars,
    },
    optional={
        "name": st.text(),
        "description": scalars,
        "conditions": nested,
        "condition": nested,
        "match": nested | st.dictionaries(st.sampled_from(["operation", "condition"]), texts),
        "rules": st.lists(st.fixed_dictionaries({"action": scalars, "match": nested}) | nested),
        "parameters": nested,
        "enabled": scalars,
        "priority": scalars,
    },
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(policies | scalars, max_size=3))
def test_whatever_is_written_the_loader_takes_the_set(written: list[Any]) -> None:
    found, rules = imported(json.dumps(written).encode("utf-8", "surrogatepass"))
    assert set(found.rules) <= {one.id for one in rules.rules}
