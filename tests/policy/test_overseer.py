"""Decisions that are recorded, and replayed by another set."""

from __future__ import annotations

import resource
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fedsight.policy import Decision, Engine, Party, Ref, Request
from fedsight.policy.audit import AuditError, SigningKey, Trail, verify
from fedsight.policy.audit.exporting import records
from fedsight.policy.files import default
from fedsight.policy.overseer import Overseer, body
from fedsight.policy.replay import rebuilt, replay
from fedsight.signals import Event
from tests.policy.asked import NOON, asks, changed, client, operator, run, shares


@pytest.fixture
def trail(tmp_path: Path) -> Iterator[Trail]:
    with Trail(tmp_path / "trail", SigningKey.open(tmp_path / "key"), segment_bytes=20_000) as one:
        yield one


def test_a_decision_is_recorded_with_the_request_that_it_answers(trail: Trail) -> None:
    engine = Engine(default())
    overseer = Overseer(lambda: engine, trail)
    decision = overseer.decide(asks(party=client(trust=0.1)))
    (kept,) = records(trail.folder, kind="decision")
    assert kept.body["request"]["principal"]["attributes"]["trust"] == 0.1
    assert kept.body["rules"] == ["client.trust-too-low"]
    assert kept.body["version"] == default().version
    assert kept.body["inputs"] == decision.inputs
    assert not kept.body["allowed"]


def test_what_need_not_be_recorded_is_not(trail: Trail) -> None:
    engine = Engine(default())
    overseer = Overseer(lambda: engine, trail)
    assert overseer.decide(Request(operator("viewer"), "readMetrics", NOON)).allowed
    assert list(records(trail.folder, kind="decision")) == []


def test_with_a_full_disk_what_must_be_recorded_is_refused_and_says_so(trail: Trail) -> None:
    engine = Engine(default())
    told: list[Event] = []
    overseer = Overseer(lambda: engine, trail, told.append)
    assert overseer.decide(asks()).allowed
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        for _ in range(3):
            decision = overseer.decide(asks())
            assert not decision.allowed
            assert "the decision could not be recorded: cannot write" in decision.reason
        both = [asks(), Request(operator("viewer"), "readMetrics", NOON)]
        assert [one.allowed for one in overseer.decide_all(both)] == [False, True]
        observing = Engine(default(), observe=True)
        assert Overseer(lambda: observing, trail).decide(asks()).observed
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [one.kind for one in told] == ["AUDIT_FAILED"]
    assert overseer.decide(asks()).allowed
    assert overseer.fault is None


@pytest.mark.parametrize(
    "request_",
    [
        asks(),
        asks(party=client(trust=float("nan"), samples=2**70, capabilities=("b", "a"))),
        asks(party=client(trust="0.9", cpu_count=None)),
        shares(10, norm=3.5),
        shares(10, party=client(site=Ref("Node", "n-1"))),
        Request(operator("admin"), "startRun", NOON, run()),
        Request(Party("Server", "s"), "nextRound", 2**80, run(), {"more": True}),
    ],
    ids=str,
)
def test_a_request_that_was_recorded_is_judged_alike(request_: Request, trail: Trail) -> None:
    engine = Engine(default())
    decision = engine.decide(request_)
    trail.append("decision", body(request_, decision))
    (kept,) = records(trail.folder, kind="decision")
    again = engine.decide(rebuilt(kept.body["request"]))
    assert (again.allowed, again.rules, again.inputs) == (
        decision.allowed,
        decision.rules,
        decision.inputs,
    )


def test_replay_says_what_would_have_changed_by_rule_and_client(trail: Trail) -> None:
    engine = Engine(default())
    overseer = Overseer(lambda: engine, trail)
    requests = [asks(party=client(f"c-{n % 10}", trust=n % 10 / 10)) for n in range(200)]
    overseer.decide_all(requests)
    same = replay(default(), trail.folder)
    assert (same.requests, same.judged, same.refused, same.allowed) == (200, 10, 0, 0)
    strict = replay(changed({"min_trust": "0.7"}), trail.folder)
    assert (strict.refused, strict.allowed) == (60, 0)
    assert strict.refused_by_rule == {"client.trust-too-low": 60}
    assert strict.refused_by_client == {"c-4": 20, "c-5": 20, "c-6": 20}
    assert strict.examples[0].rules == ("client.trust-too-low",)
    lenient = replay(changed({"min_trust": "0.2"}), trail.folder)
    assert (lenient.refused, lenient.allowed) == (0, 40)
    assert lenient.allowed_by_rule == {"client.trust-too-low": 40}


def test_two_processes_replay_as_one_does(trail: Trail) -> None:
    engine = Engine(default())
    overseer = Overseer(lambda: engine, trail)
    for n in range(300):
        overseer.decide(asks(party=client(f"c-{n % 10}", trust=n % 10 / 10)))
    trail.sign()
    assert len(list(trail.folder.glob("*.jsonl"))) > 3
    strict = changed({"min_trust": "0.7"})
    one, two = (replay(strict, trail.folder, processes=count) for count in (1, 2))
    one.judged = two.judged = 0
    assert msgspec.to_builtins(one) == msgspec.to_builtins(two)


def test_replay_of_a_time_range_alone(trail: Trail) -> None:
    engine = Engine(default())
    overseer = Overseer(lambda: engine, trail)
    for _ in range(5):
        overseer.decide(asks())
    times = [int(one.time) for one in records(trail.folder, kind="decision")]
    assert replay(default(), trail.folder, since=times[2]).requests == 3
    assert replay(default(), trail.folder, until=times[2]).requests == 2
    trail.close()
    (path,) = trail.folder.glob("*.jsonl")
    path.write_bytes(b"nothing\n")
    with pytest.raises(AuditError, match="is no record"):
        replay(default(), trail.folder)
    with pytest.raises(AuditError, match="cannot read"):
        replay(default(), trail.folder / "nowhere")


def test_decisions_are_chained(trail: Trail, tmp_path: Path) -> None:
    engine = Engine(default())
    overseer = Overseer(lambda: engine, trail)
    overseer.decide_all([asks(), asks("fly"), shares(None), asks(party=client(trust="\ud800"))])
    assert verify(trail.folder, SigningKey.open(tmp_path / "key").public).ok


def test_a_replay_of_much_is_bounded_in_memory_and_in_what_it_tells(
    trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, judged = Engine(default()), list[int]()
    monkeypatch.setattr("fedsight.policy.replay._BYTES_AT_ONCE", 100_000)
    monkeypatch.setattr("fedsight.policy.replay._MOST_CLIENTS", 3)
    large = [f"{at:03}{'x' * 200}" for at in range(100)]
    parties = [client(f"c-{n}", trust=0.5, capabilities=large) for n in range(20)]
    Overseer(lambda: engine, trail).decide_all([asks(party=one) for one in parties])
    decide_all = Engine.decide_all

    def counted(self: Engine, requests: Sequence[Request]) -> list[Decision]:
        judged.append(len(requests))
        return decide_all(self, requests)

    monkeypatch.setattr(Engine, "decide_all", counted)
    found = replay(changed({"min_trust": "0.7"}), trail.folder, processes=1)
    assert sum(judged) == found.refused == 20
    assert max(judged) <= 6
    assert found.refused_by_client == {"c-0": 1, "c-1": 1, "c-2": 1, "other clients": 17}


@pytest.mark.parametrize(
    "kept",
    [{}, {"principal": "x"}, {"principal": {"type": "Client"}}, {"principal": {}, "time": 1}],
)
def test_a_record_that_is_no_request_is_refused(kept: dict[str, Any]) -> None:
    assert not Engine(default()).decide(rebuilt(kept)).allowed
