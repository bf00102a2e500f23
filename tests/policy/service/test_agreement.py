"""Whatever the rules and whatever is asked: over HTTP, in process and in a batch it is the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedsight.policy import Decision, Engine, ruleset
from fedsight.policy.service.asked import POLICY_TYPES, request
from tests.policy.asked import changed
from tests.policy.service.served import GOOD, Served
from tests.policy.test_random import rule_sets

PATHS = {
    "client_eligibility": "/check/client_eligibility",
    "model_sharing": "/check/model_sharing",
}
values: st.SearchStrategy[Any] = (
    st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.none()
    | st.text(max_size=5)
    | st.lists(st.text(max_size=3) | st.integers(0, 9), max_size=3)
    | st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=2)
)
KEYS = (*GOOD, "model_size_mb", "size_bytes", "norm", "run", "round", "rounds", "clients")
contexts = st.builds(
    lambda base, changes, without: {
        key: one for key, one in {**base, **changes}.items() if key != without
    },
    st.sampled_from([dict(GOOD), {**GOOD, "model_size_mb": 1}, {"round": 1, "rounds": 2}, {}]),
    st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), values, max_size=2),
    st.none() | st.sampled_from(KEYS),
)
checks = st.fixed_dictionaries(
    {
        "policy_type": st.sampled_from(POLICY_TYPES) | st.text(min_size=1, max_size=6),
        "context": contexts,
    }
)


def plain(decision: Decision) -> dict[str, Any]:
    """A decision as the service answers it, without its number in the trail."""
    rules = [{"id": one.id, "reason": one.reason, "effect": one.effect} for one in decision.rules]
    refusing = [one.reason for one in decision.rules if one.effect == "forbid"]
    return {
        "allowed": decision.allowed,
        "reason": decision.reason,
        "rules": rules,
        "violations": [*refusing, *decision.errors],
        "errors": list(decision.errors),
        "policy_version": decision.version,
        "obligations": [str(one) for one in decision.obligations],
        "observed": decision.observed,
    }


def asked_at(served: Served) -> list[int]:
    """When each kept decision was asked, by its number in the trail."""
    kept = served.service.deciding.decisions.newest()
    return [int(msgspec.json.decode(one.request)["time"]["$int"]) for one in kept]


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(rule_sets(), st.lists(checks, min_size=1, max_size=6))
def agree(served: Served, written: tuple[str, str], questions: list[dict[str, Any]]) -> None:
    files = dict(changed({"members": written[0]}, clients=written[1]).files)
    with served.client() as http:
        served.service.deciding.force.engine = Engine(ruleset(files))
        single = [http.post("/api/v1/check", json=one) for one in questions]
        times = list(reversed(asked_at(served)[: len(questions)]))
        many = http.post("/api/v1/check/batch", json={"checks": questions})
        together = asked_at(served)[0]
        named = [
            (http.post(PATHS[one["policy_type"]], json=one["context"]), one)
            for one in questions
            if one["policy_type"] in PATHS
        ]
        named_times = list(reversed(asked_at(served)[: len(named)])) if named else []
    engine = Engine(ruleset(files))
    assert {one.status_code for one in (*single, many)} == {200}
    answers = [
        *zip((one.json() for one in single), questions, times, strict=True),
        *(
            (said, one, together)
            for said, one in zip(many.json()["decisions"], questions, strict=True)
        ),
        *((said.json(), one, at) for (said, one), at in zip(named, named_times, strict=True)),
    ]
    for said, one, at in answers:
        assert said.pop("decision_id") is not None
        here = engine.decide(request(one["policy_type"], one["context"], at))
        assert said == plain(here)


def test_the_service_the_engine_and_the_batch_agree_and_nothing_raises(tmp_path: Path) -> None:
    served = Served(tmp_path / "data", look_seconds=60.0)
    try:
        agree(served)
    finally:
        served.close()
