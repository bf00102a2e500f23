from __future__ import annotations

import hashlib
import sys
import threading
from typing import Any

import pytest

from fedsight.policy import Engine, Obligation, Party, Ref, Request
from fedsight.policy.engine import MOST_KEPT
from fedsight.policy.files import default
from tests.policy.asked import (
    GOOD,
    HOUR,
    NOON,
    asks,
    changed,
    client,
    operator,
    refusals,
    run,
    shares,
)

ENGINE = Engine(default())


def test_a_good_client_may_take_part_and_says_by_which_rule() -> None:
    for action in ("participate", "train", "evaluate"):
        decision = ENGINE.decide(asks(action))
        assert decision.allowed
        assert [one.id for one in decision.rules] == ["client.member"]
        assert decision.reason == "a member of the federation"
        assert decision.version == default().version
        assert decision.errors == ()


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"trust": 0.39}, "client.trust-too-low"),
        ({"cpu_count": 0}, "client.too-few-cores"),
        ({"memory_mb": 255}, "client.too-little-memory"),
    ],
)
def test_each_floor_refuses_by_its_rule(change: dict[str, Any], rule: str) -> None:
    assert refusals(ENGINE, asks(party=client(**change))) == (rule,)


def test_a_refusal_names_every_rule_that_refused() -> None:
    limits = {"members": '["hospital-a"]', "capabilities": '["gpu"]', "min_samples": "1"}
    engine = Engine(changed(limits))
    asked = asks(party=client("hospital-b", trust=0.1, samples=0, capabilities=()))
    decision = engine.decide(asked)
    assert set(decision.refused_by) == {
        "client.not-a-member",
        "client.trust-too-low",
        "client.lacks-capability",
        "client.too-few-samples",
    }
    assert "not a member of the federation; " in decision.reason + "; "


@pytest.mark.parametrize("left_out", sorted(set(GOOD) - {"samples"}))
def test_a_client_of_which_something_is_not_known_is_refused(left_out: str) -> None:
    decision = ENGINE.decide(asks(party=client(**{left_out: None})))
    assert not decision.allowed
    assert f"Client 'hospital-a' lacks {left_out}" in decision.reason


def test_with_a_minimum_who_does_not_tell_its_samples_is_refused() -> None:
    assert ENGINE.decide(asks(party=client(samples=None))).allowed
    engine = Engine(changed({"min_samples": "100"}))
    assert engine.decide(asks(party=client(samples=100))).allowed
    for samples in (99, 0, -1, None):
        assert refusals(engine, asks(party=client(samples=samples))) == ("client.too-few-samples",)


def test_a_model_of_unknown_size_is_not_shared() -> None:
    decision = ENGINE.decide(shares(None))
    assert not decision.allowed
    assert "lacks size_bytes" in decision.reason


@pytest.mark.parametrize(
    "change",
    [
        {"trust": "0.9"},
        {"trust": True},
        {"trust": float("nan")},
        {"trust": float("inf")},
        {"trust": 1e300},
        {"trust": {"__extn": {"fn": "decimal", "arg": "0.9"}}},
        {"samples": "500"},
        {"samples": 500.0},
        {"samples": True},
        {"samples": 2**63},
        {"samples": 2**70},
        {"capabilities": "gpu"},
        {"capabilities": ("gpu", 3)},
        {"capabilities": {"gpu": 1}},
        {"admin": True},
        {"memory_mb": [8000]},
        {"trust": None, "memory_mb": None},
    ],
    ids=str,
)
def test_a_value_of_a_wrong_type_is_refused_and_named(change: dict[str, Any]) -> None:
    decision = ENGINE.decide(asks(party=client(**change)))
    assert not decision.allowed
    assert any(name in decision.reason for name in change)


def test_a_name_that_begins_like_a_members_is_no_member() -> None:
    engine = Engine(changed({"members": '["hospital-a"]'}))
    assert engine.decide(asks(party=client("hospital-a"))).allowed
    for name in ("hospital", "hospital-a2", "hospital-", "hospital-A", " hospital-a", "*"):
        assert "client.not-a-member" in refusals(engine, asks(party=client(name)))


def test_membership_is_not_for_the_client_to_claim() -> None:
    engine = Engine(changed({"members": '["hospital-a"]'}))
    claims = Party("Client", "mallory", GOOD, (Ref("Federation", "federation"),))
    assert "client.not-a-member" in refusals(engine, asks(party=claims))


def test_an_unknown_action_and_an_unknown_principal_are_refused() -> None:
    for action in ("fly", "", "Train", "train ", 'train"', "work", "takePart"):
        assert not ENGINE.decide(asks(action)).allowed
    assert "unknown action 'fly'; known are " in ENGINE.decide(asks("fly")).reason
    for kind in ("Ghost", "", "Role", "Federation", 'Client"', "FL::Client"):
        assert not ENGINE.decide(asks(party=Party(kind, "x", GOOD))).allowed
    assert not ENGINE.decide(asks("changePolicy")).allowed


def test_a_set_without_rules_refuses_everything_and_says_so() -> None:
    empty = changed(**dict.fromkeys(("clients", "sharing", "runs", "operators"), "// nothing"))
    assert empty.warnings == ("the policy set has no rule: everything is refused",)
    decision = Engine(empty).decide(asks())
    assert not decision.allowed
    assert decision.reason == "no rule permits it"


def test_conditions_with_and_and_or_mixed_mean_what_they_say() -> None:
    rule = (
        '@id("only") @reason("r") permit (principal is FL::Client, '
        'action == FL::Action::"train", resource) when {{ {} }};'
    )
    false_first = 'principal.cpu_count > 1 || principal.trust.lessThan(decimal("0.1")) && false'
    for condition, expected in ((false_first, True), (f"({false_first}) && false", False)):
        engine = Engine(changed(clients=rule.format(condition)))
        assert engine.decide(asks()).allowed is expected


def test_a_rule_that_errs_refuses_although_another_permits() -> None:
    rule = (
        '@id("overflows") @reason("r") forbid (principal is FL::Client, '
        'action == FL::Action::"train", resource) when { principal.memory_mb + 1 < 0 };'
    )
    engine = Engine(changed(own=rule))
    assert engine.decide(asks()).allowed
    decision = engine.decide(asks(party=client(memory_mb=2**63 - 1)))
    assert not decision.allowed
    assert any("overflow" in error for error in decision.errors)
    assert "overflows" in decision.errors[0]


@pytest.mark.parametrize(
    ("opens", "closes", "zone", "hours_from_noon", "open_"),
    [
        ("08:00", "18:00", "UTC", 0, True),
        ("08:00", "12:00", "UTC", 0, False),
        ("12:00", "18:00", "UTC", 0, True),
        ("22:00", "06:00", "UTC", 0, False),
        ("22:00", "06:00", "UTC", 11, True),
        ("22:00", "06:00", "UTC", 17, True),
        ("22:00", "06:00", "UTC", 18, False),
        ("13:00", "14:00", "Europe/Berlin", 0, True),
        ("21:00", "22:00", "Asia/Tokyo", 0, True),
        ("00:00", "24:00", "Asia/Kolkata", 0, True),
    ],
)
def test_the_training_window_in_its_time_zone(
    opens: str, closes: str, zone: str, hours_from_noon: int, open_: bool
) -> None:
    limits = {"opens": f'"{opens}"', "closes": f'"{closes}"', "time_zone": f'"{zone}"'}
    decision = Engine(changed(limits)).decide(asks(time=NOON + hours_from_noon * HOUR))
    assert decision.allowed is open_
    assert decision.refused_by == (() if open_ else ("client.outside-window",))


def test_the_window_has_days_of_the_week() -> None:
    engine = Engine(changed({"weekdays": "[6, 7]"}))
    assert refusals(engine, asks()) == ("client.outside-window",)
    assert engine.decide(asks(time=NOON + 48 * HOUR)).allowed


@pytest.mark.parametrize("time", [-1, -9955, 2**63, 2**80, 7_258_118_400_000_000_001])
def test_a_clock_that_jumped_beyond_all_times_is_refused(time: int) -> None:
    decision = ENGINE.decide(asks(time=time))
    assert not decision.allowed
    assert "is not between 1970 and 2200" in decision.reason


def test_with_a_privacy_budget_what_is_not_measured_counts_as_spent() -> None:
    assert ENGINE.decide(asks(party=client(epsilon_spent=100.0))).allowed
    engine = Engine(changed({"epsilon_budget": "8.0"}))
    assert engine.decide(asks(party=client(epsilon_spent=7.9))).allowed
    for spent in (8.0, 8.1, None):
        asked = asks(party=client(epsilon_spent=spent))
        assert refusals(engine, asked) == ("client.privacy-budget-spent",)


def test_a_large_model_needs_more_trust_and_none_may_be_too_large() -> None:
    small, large = 52_428_800, 2_147_483_648
    barely = client(trust=0.5)
    assert ENGINE.decide(shares(small, party=barely)).allowed
    assert refusals(ENGINE, shares(small + 1, party=barely)) == ("share.large-needs-trust",)
    assert ENGINE.decide(shares(large)).allowed
    assert refusals(ENGINE, shares(large + 1)) == ("share.too-large",)
    assert refusals(ENGINE, shares(-1)) == ("share.too-large",)


def test_a_bound_on_norms_refuses_what_was_not_measured() -> None:
    engine = Engine(changed({"max_update_norm": "10.0"}))
    assert engine.decide(shares(norm=9.5)).allowed
    assert refusals(engine, shares(norm=10.1)) == ("share.norm-too-large",)
    assert refusals(engine, shares()) == ("share.norm-too-large",)


def test_a_run_stops_where_it_gets_no_better_and_where_it_is_too_long() -> None:
    server = Party("Server", "server")

    def next_round(**changes: Any) -> Request:
        return Request(server, "nextRound", NOON, run(**changes))

    assert ENGINE.decide(next_round()).allowed
    assert refusals(ENGINE, next_round(stale_rounds=100)) == ("run.no-improvement",)
    assert refusals(ENGINE, next_round(rounds=1001)) == ("run.too-many-rounds",)
    assert refusals(ENGINE, next_round(clients=0)) == ("run.too-few-clients",)


@pytest.mark.parametrize(
    ("action", "roles"),
    [
        ("changePolicy", {"admin"}),
        ("resetTrust", {"admin"}),
        ("readAudit", {"admin", "auditor"}),
        ("readMetrics", {"admin", "auditor", "operator", "viewer"}),
        ("steerNetwork", {"admin", "operator"}),
    ],
)
def test_what_each_role_may_do(action: str, roles: set[str]) -> None:
    for role in ("viewer", "operator", "auditor", "admin", "root"):
        decision = ENGINE.decide(Request(operator(role), action, NOON))
        assert decision.allowed is (role in roles), role
    assert not ENGINE.decide(Request(operator(), action, NOON)).allowed


def test_operators_start_runs_and_the_permit_obliges() -> None:
    decision = ENGINE.decide(Request(operator("operator"), "startRun", NOON, run()))
    assert decision.allowed
    bound = Obligation("max_rounds", "<=", 1000, "federation", 0, "run.operators")
    assert decision.obligations == (bound,)
    assert not ENGINE.decide(Request(operator("viewer"), "startRun", NOON, run())).allowed


def test_observing_allows_and_says_what_it_would_have_refused() -> None:
    engine = Engine(default(), observe=True)
    decision = engine.decide(asks(party=client(trust=0.1)))
    assert decision.allowed
    assert decision.observed
    assert decision.refused_by == ("client.trust-too-low",)
    assert decision.reason.startswith("allowed for observation only, would be refused: its trust")
    assert not engine.decide(asks()).observed
    assert engine.unreachable("timed out").allowed


def test_an_engine_that_cannot_be_asked_refuses() -> None:
    decision = ENGINE.unreachable("timed out")
    assert not decision.allowed
    assert decision.reason == "the policy engine could not be asked: timed out"


def test_equal_inputs_have_one_hash_and_others_another() -> None:
    one = ENGINE.decide(asks()).inputs
    assert one == ENGINE.decide(Request(client(), "train", NOON, run="r-2", round=7)).inputs
    assert one == ENGINE.decide(asks(party=client(capabilities=["torch", "gpu"]))).inputs
    others = {
        ENGINE.decide(asks(party=client(trust=0.8))).inputs,
        ENGINE.decide(asks("participate")).inputs,
        ENGINE.decide(asks(time=NOON + HOUR)).inputs,
    }
    assert len(others | {one}) == 4
    whole = (
        '{"action":"train","context":{"minute":720,"weekday":4},"principal":{"attrs":'
        '{"capabilities":["gpu","torch"],"cpu_count":4,"memory_mb":8000,"samples":500,'
        '"trust":{"__extn":{"arg":"0.9000","fn":"decimal"}}},"parents":[{"id":"federation",'
        '"type":"FL::Federation"}],"uid":{"id":"hospital-a","type":"FL::Client"}},"resource":null}'
    )
    assert hashlib.sha256(whole.encode()).hexdigest() == one


def test_a_batch_answers_as_if_each_were_alone() -> None:
    engine = Engine(changed({"members": '["c-1", "c-9", "c-19"]'}))
    asked = [asks(party=client(f"c-{n % 260}", trust=n % 10 / 10)) for n in range(300)]
    asked[7] = asks("fly")
    asked[8] = asks(party=client(trust="0.9"))
    asked[9] = shares(None)
    asked[10] = shares(100)
    together = engine.decide_all(asked)
    assert together == [Engine(engine.ruleset).decide(one) for one in asked]
    assert len({one.allowed for one in together}) == 2
    assert engine.decide_all([]) == []


def test_what_is_kept_is_bounded() -> None:
    engine = Engine(default())
    for turn in range(30):
        engine.decide_all([asks(party=client(f"c-{n}", samples=turn)) for n in range(1000)])
        engine.decide(asks(party=client(samples=turn)))
    assert engine.kept <= MOST_KEPT


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Request(client("x" * 257), "train", NOON), "the principal's id has 257 characters"),
        (Request(client(), "x" * 257, NOON), "the action has 257 characters"),
        (Request(client(), "train", NOON, Party("M" * 300, "a")), "the resource's type has 300"),
        (
            Request(Party("Operator", "a", groups=(Ref("Role", "r" * 257),)), "readAudit", NOON),
            "the principal's group has 257 characters",
        ),
        (Request(client(), "train", NOON, run="r" * 257), "the run has 257 characters"),
    ],
)
def test_a_name_that_is_too_long_is_refused_and_not_repeated(asked: Request, said: str) -> None:
    decision = Engine(default()).decide(asked)
    assert not decision.allowed
    assert said in decision.errors[0]
    assert len(decision.reason) < 200


def test_entities_that_are_kept_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedsight.policy.engine.MOST_KEPT_BYTES", 100_000)
    engine = Engine(default())
    large = [f"{at:03}{'x' * 200}" for at in range(100)]
    for at in range(20):
        assert engine.decide(asks(party=client(f"c-{at}", capabilities=large))).allowed
    assert engine.kept == 4


def test_several_threads_ask_one_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedsight.policy.engine.MOST_KEPT", 2)
    monkeypatch.setattr("fedsight.policy.slices.MOST_MOMENTS", 1)
    engine, wrong = Engine(default()), list[object]()
    before = sys.getswitchinterval()

    def ask() -> None:
        try:
            for at in range(200):
                moment = NOON + at % 3 * HOUR
                if not engine.decide(asks(party=client(f"c-{at % 7}"), time=moment)).allowed:
                    wrong.append(at)
        except Exception as error:  # whatever it is, the test has to tell
            wrong.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    sys.setswitchinterval(1e-6)
    try:
        for one in threads:
            one.start()
        for one in threads:
            one.join(60)
    finally:
        sys.setswitchinterval(before)
    assert wrong == []
    assert engine.kept <= 2


def test_many_updates_are_judged_as_if_each_were_alone() -> None:
    engine = Engine(default())
    engine.prepare([("shareModel", "Client", "Model"), ("none", "Client", "Model")], NOON)
    senders = [client(f"hospital-{at}", trust=at / 20) for at in range(20)]
    asked = [shares(100_000_000 * at, party=one, norm=1.5) for at, one in enumerate(senders)]
    updates = [
        Request(one.principal, one.action, NOON, Party("Model", f"r-1/3/{at}", about.attributes))
        for at, one in enumerate(asked)
        if (about := one.resource)
    ]
    for many in (asked, updates, [*updates, *asked, *updates]):
        assert engine.decide_all(many) == [Engine(default()).decide(one) for one in many]
    assert {one.allowed for one in engine.decide_all(updates)} == {True, False}
