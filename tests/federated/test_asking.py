"""Runs that a policy service governs over HTTP."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from fedsight.cli.ruling import Ruling
from fedsight.config import load
from fedsight.errors import UsageError
from fedsight.federated.governing import asking
from fedsight.federated.plan import Plan
from fedsight.federated.training import Outcome, Steering, train
from fedsight.journal import Journal
from fedsight.policy import Engine, Party, Request
from fedsight.policy.files import default
from fedsight.policy.remote import RemoteOverseer
from fedsight.policy.trust import TrustRule
from tests.federated.test_governing import Notes
from tests.policy.asked import NOON, asks, client, run, shares
from tests.policy.service.served import Served

NOBODY = """
@id("x.none") @reason("nobody now")
forbid (principal is FL::Client, action, resource is FL::Federation);
"""


def governed(service: RemoteOverseer, data: Path, notes: Notes, **plan: Any) -> Outcome:
    whole = Plan(task="digits", **{"nodes": 3, "rounds": 2, "partition": "iid", **plan})
    with asking(service, data, notes, trust=TrustRule(initial=0.9)) as govern:
        return train(whole, notes, run_id="r-1", steering=Steering(govern=govern))


def test_a_run_is_governed_by_a_service_which_records_it(tmp_path: Path) -> None:
    served, notes = Served(tmp_path / "service"), Notes()
    try:
        service = RemoteOverseer(served.address, served.token)
        outcome = governed(service, tmp_path, notes)
        kept = served.service.deciding.decisions.newest()
    finally:
        served.close()
    assert (outcome.state, outcome.rounds) == ("finished", 2)
    counts = {one.action: 0 for one in kept}
    for one in kept:
        counts[one.action] += 1
    assert counts == {"startRun": 1, "nextRound": 2, "train": 6, "shareModel": 6}
    assert {one.run for one in kept} == {"r-1"}
    shared = next(one for one in kept if one.action == "shareModel")
    assert msgspec.json.decode(shared.request)["resource"]["attributes"]["size_bytes"] > 1000
    assert not (tmp_path / "audit").exists()


def test_the_service_answers_as_the_engine_and_its_next_set_at_once(tmp_path: Path) -> None:
    served = Served(tmp_path / "service", look_seconds=60.0)
    requests = [
        asks("train"),
        asks("train", client(trust=0.1)),
        asks("evaluate", client(trust=None)),
        shares(norm=1.5),
        shares(2**40),
        Request(server(), "nextRound", NOON, run(), {}, "r-1", 3),
        asks("readMetrics"),
    ]
    service = RemoteOverseer(served.address, served.token)
    try:
        engine = Engine(default())
        for request in requests[:-1]:
            here = engine.decide(request)
            (there,) = service.decide_all([request])
            assert (there.allowed, there.rules, there.errors) == (
                here.allowed,
                here.rules,
                here.errors,
            )
            assert [str(one) for one in there.obligations] == [str(one) for one in here.obligations]
        assert "cannot be asked" in service.decide_all(requests[-1:])[0].reason
        assert service.decide_all(requests[:1])[0].allowed
        (served.rules / "x.cedar").write_text(NOBODY)
        while not served.service.deciding.force.look():
            pass
        assert service.decide_all(requests[:1])[0].reason == "nobody now"
    finally:
        service.close()
        served.close()


def server() -> Party:
    return Party("Server", "server")


def test_a_service_that_does_not_answer_refuses(tmp_path: Path) -> None:
    served = Served(tmp_path / "service")
    strange = RemoteOverseer(served.address, "another")
    refused = strange.decide_all([asks()])[0]
    strange.close()
    served.close()
    assert "it answered 401" in refused.reason
    outcome = governed(RemoteOverseer(served.address, served.token), tmp_path, Notes())
    assert outcome.state == "stopped"
    assert "the policy service at http://127.0.0.1:" in (outcome.reason or "")
    assert "could not be asked" in (outcome.reason or "")
    with pytest.raises(UsageError):
        RemoteOverseer("file:///etc", "t")


@pytest.mark.parametrize(
    ("where", "observe", "why"),
    [
        ("ftp://127.0.0.1:5000", False, "is a folder, or http"),
        ("http://policy.example.org", False, "in the clear"),
        ("http://127.0.0.1:5000", True, "observes by itself"),
    ],
)
def test_an_address_that_is_not_asked(where: str, observe: bool, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        Ruling(where, observe)


def test_a_service_elsewhere_never_sees_the_data_directorys_token(tmp_path: Path) -> None:
    ruling, journal = Ruling("https://policy.example.org", False), cast(Journal, Notes())
    with pytest.raises(UsageError, match="token_file"):
        ruling.governing(replace(load(None), data=tmp_path), journal)
    assert not (tmp_path / "token").exists()
