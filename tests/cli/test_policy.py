"""`fedsight policy` as a person meets it."""

from __future__ import annotations

import json
import time
from contextlib import AbstractContextManager, closing
from pathlib import Path

import pytest

from fedsight.cli import policy_trust
from fedsight.policy import Engine
from fedsight.policy.audit import Anchor, SigningKey, Trail
from fedsight.policy.audit.exporting import records
from fedsight.policy.audit.turns import still
from fedsight.policy.files import default, init
from fedsight.policy.overseer import Overseer
from fedsight.policy.shared_trust import TRUST, SharedTrust
from tests.cli.command import TINY, fedsight
from tests.policy.asked import asks, client

pytestmark = pytest.mark.slow


def test_a_set_is_written_checked_tested_and_changed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert fedsight(data, "policy", "init").returncode == 0
    again = fedsight(data, "policy", "init")
    assert again.returncode == 2
    assert "has a policy set already" in again.stderr
    tested = fedsight(data, "policy", "test")
    assert tested.returncode == 0, tested.stderr
    assert tested.stdout.endswith("10 policy tests passed\n")
    shown = fedsight(data, "policy", "show", "client.trust-too-low")
    assert "unless { principal.trust.greaterThanOrEqual(resource.min_trust) };" in shown.stdout
    (data / "policy" / "own.cedar").write_text('@id("x") @reason("r")\npermit (principal action);')
    wrong = fedsight(data, "policy", "validate")
    assert wrong.returncode == 1
    assert "own.cedar:2:19: `action` is not expected here; expected " in wrong.stderr
    (data / "policy" / "own.cedar").unlink()
    back = fedsight(data, "policy", "rollback", "1", "--author", "anna")
    assert back.returncode == 0, back.stderr
    numbers = fedsight(data, "policy", "versions", "--json")
    assert [one["number"] for one in json.loads(numbers.stdout)] == [1]


def test_another_projects_rules_are_imported_and_what_was_not_is_told(tmp_path: Path) -> None:
    data, to = tmp_path / "data", tmp_path / "candidate"
    condition = {"field": "client_trust_score", "operator": ">=", "value": 0.7}
    good = {"name": "trusted", "type": "fl_client_selection", "action": "allow"}
    strange = {"name": "flows", "type": "network_security", "action": "allow"}
    file = tmp_path / "flopy.json"
    file.write_text(json.dumps({"policies": [{**good, "conditions": [condition]}, strange]}))
    done = fedsight(data, "policy", "import", str(file), "--to", str(to))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"1 rules are in {to}, ")
    assert "flows: left out: policies of type 'network_security'" in done.stderr
    assert fedsight(data, "policy", "validate", "--set", str(to)).returncode == 0
    again = fedsight(data, "policy", "import", str(file), "--to", str(to), "--json")
    assert again.returncode == 2
    assert "has a policy set already" in again.stderr


def test_a_request_is_explained(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert fedsight(data, "policy", "init").returncode == 0
    facts = ("trust=0.3", "samples=5", "capabilities=[]", "cpu_count=4", "memory_mb=4000")
    given = [word for fact in facts for word in ("-a", fact)]
    told = fedsight(data, "policy", "explain", "train", "--client", "a", *given)
    assert told.stdout.startswith("refused: its trust is below the federation's minimum")
    assert "forbid client.trust-too-low (clients.cedar:" in told.stdout
    unknown = fedsight(data, "policy", "explain", "train", "--client", "a", "--json")
    assert not json.loads(unknown.stdout)["allowed"]
    assert "lacks trust, capabilities" in json.loads(unknown.stdout)["errors"][0]
    assert fedsight(data, "policy", "explain", "train").returncode == 2


def test_decisions_are_verified_exported_and_replayed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert fedsight(data, "policy", "init").returncode == 0
    engine, anchors = Engine(default()), list[Anchor]()
    key = SigningKey.open(data / "keys" / "audit")
    with Trail(data / "audit", key, anchors.append) as trail:
        overseer = Overseer(lambda: engine, trail)
        overseer.decide_all([asks(party=client(f"c-{n}", trust=n / 10)) for n in range(10)])
    told = tmp_path / "anchors.jsonl"
    line = {"log": anchors[0].log, "seq": anchors[0].seq, "hash": anchors[0].hash}
    told.write_text(json.dumps({**line, "signature": anchors[0].signature}))
    right = fedsight(data, "policy", "audit", "verify", "--anchors", str(told))
    assert right.stdout == "12 records are right, 1 to 12; signed up to 11, anchored up to 12\n"
    alone = fedsight(data, "policy", "audit", "verify")
    assert alone.returncode == 0
    assert "no anchors, so that a cut end is not seen" in alone.stderr
    limits = data / "policy" / "federation.toml"
    limits.write_text(limits.read_text().replace("min_trust = 0.4", "min_trust = 0.7"))
    replayed = fedsight(data, "policy", "replay", "--since", "1h")
    assert "10 decisions: version" in replayed.stdout
    assert "would have refused 3 that were allowed" in replayed.stdout
    assert fedsight(data, "policy", "replay", "--since", "soon").returncode == 2
    exported = fedsight(data, "policy", "audit", "export", "-o", str(tmp_path / "all.jsonl"))
    assert exported.stdout.startswith("12 records are in ")
    (path,) = (data / "audit").glob("*.jsonl")
    path.write_bytes(path.read_bytes().replace(b'"c-3"', b'"c-8"'))
    wrong = fedsight(data, "policy", "audit", "verify", "--no-anchors")
    assert wrong.returncode == 1
    assert "record 5 was altered: it does not have the hash of what it says" in wrong.stderr


def test_old_records_are_retired_once_all_are_verified_and_what_stays_is_proven(
    tmp_path: Path,
) -> None:
    data, engine = tmp_path / "data", Engine(default())
    key = SigningKey.open(data / "keys" / "audit")
    with Trail(data / "audit", key, segment_bytes=8000) as trail:
        overseer = Overseer(lambda: engine, trail)
        for n in range(30):
            overseer.decide(asks(party=client(f"c-{n}", trust=0.9)))
    files = sorted((data / "audit").glob("*.jsonl"))
    assert len(files) > 2
    young = fedsight(data, "policy", "audit", "retire", "--before", "1h")
    assert young.stdout == "nothing is gone: no file of the trail has only records that old\n"
    whole = files[0].read_bytes()
    files[0].write_bytes(whole.replace(b'"c-3"', b'"c-8"'))
    altered = fedsight(data, "policy", "audit", "retire", "--before", "0s")
    assert altered.returncode == 1
    assert "was altered" in altered.stderr
    assert files[0].exists()
    files[0].write_bytes(whole)
    done = fedsight(data, "policy", "audit", "retire", "--before", "0s", "--author", "ada")
    first = int(files[-1].stem)
    assert done.stdout == f"{first - 1} records are gone; the trail begins with {first}\n"
    assert sorted((data / "audit").glob("*.jsonl")) == files[-1:]
    right = fedsight(data, "policy", "audit", "verify")
    assert right.returncode == 0, right.stderr
    assert f" are right, {first} to " in right.stdout
    (said,) = [one for one in records(data / "audit") if one.kind == "event"]
    assert said.body["details"]["author"] == "ada"
    assert said.body["details"]["records"] == first - 1


def test_trust_is_reset_in_ones_turn_to_write_the_trail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody who has that turn waits for a book that is held by who waits for the turn."""
    monkeypatch.setenv("FEDSIGHT_DATA", str(tmp_path))
    init(tmp_path / "policy")
    with closing(SharedTrust(tmp_path / TRUST)) as book:
        book.note("a", "failed", time.time_ns())
    together, free = SharedTrust.together, list[bool]()

    def looks(self: SharedTrust) -> AbstractContextManager[None]:
        with still(tmp_path / "audit", 0.0) as nobody_writes:
            free.append(nobody_writes)
        return together(self)

    monkeypatch.setattr(SharedTrust, "together", looks)
    policy_trust.reset("a", "a sensor was replaced", "anna", None, None)
    assert free
    assert not any(free)


def test_a_run_is_governed_recorded_and_anchored_at_the_collector(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert fedsight(data, "policy", "init").returncode == 0
    numbers = data / "policy" / "federation.toml"
    numbers.write_text(numbers.read_text().replace('["*"]', '["client-0", "client-1"]'))
    rules = str(data / "policy")
    done = fedsight(data, "run", *TINY, "--exit", "--policy", rules)
    assert done.returncode == 0, done.stderr
    assert "2/2" in done.stdout
    right = fedsight(data, "policy", "audit", "verify")
    assert right.returncode == 0, right.stderr
    assert right.stderr == ""
    assert "anchored up to 15" in right.stdout
    assert fedsight(data, "run", *TINY, "--exit", "--observe").returncode == 2
    alone = fedsight(data, "run", *TINY, "--exit")
    assert alone.returncode == 0
    assert f"the policy set in {rules} does not govern this run: say --policy" in alone.stdout
    numbers.write_text(numbers.read_text().replace("max_rounds = 1000", "max_rounds = 1"))
    stopped = fedsight(data, "run", *TINY, "--exit", "--policy", rules)
    assert stopped.returncode == 1, stopped.stdout
    assert "the run is longer than the federation allows" in stopped.stdout
    wrong = fedsight(data, "run", *TINY, "--exit", "--policy", str(tmp_path / "nowhere"))
    assert wrong.returncode == 2
    assert "there is no policy set in" in wrong.stderr
    assert "fedsight policy init" in wrong.stderr


def test_trust_is_listed_shown_and_reset_with_a_reason(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert fedsight(data, "policy", "init").returncode == 0
    assert "no run has learned of any client" in fedsight(data, "policy", "trust", "list").stderr
    with closing(SharedTrust(data / TRUST)) as book:
        book.note("hospital-a", "suspected", time.time_ns(), run="r-1", round=4, note="unlike")
        listed = fedsight(data, "policy", "trust", "list", "--json")
        assert json.loads(listed.stdout)[0]["score"] < 0.3
        shown = fedsight(data, "policy", "trust", "show", "hospital-a")
        assert "suspected" in shown.stdout
        reset = "policy", "trust", "reset", "hospital-a", "--reason"
        assert fedsight(data, *reset, " ").returncode == 2
        done = fedsight(data, *reset, "a sensor was replaced", "--author", "anna")
        assert done.returncode == 0, done.stderr
        assert "is 0.500" in done.stdout
        assert book.score("hospital-a", time.time_ns()) == 0.5
    kept = list(records(data / "audit"))
    asked = [one.body["allowed"] for one in kept if one.kind == "decision"]
    assert asked == [True, True]  # a reason that is none was seen after the policy was asked
    (event,) = [one.body for one in kept if one.kind == "event"]
    assert event["details"]["note"] == "by anna: a sensor was replaced"
    (data / "policy" / "operators.cedar").unlink()
    again = fedsight(data, *reset, "once more")
    assert again.returncode == 2
    assert "may not reset trust" in again.stderr
