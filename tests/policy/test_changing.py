"""A set is tested, changed, watched, and taken back."""

from __future__ import annotations

import shutil
from pathlib import Path
from threading import Thread

import msgspec
import pytest

from fedsight.errors import UsageError
from fedsight.policy import Engine, PolicyError, testing
from fedsight.policy.disk import locked
from fedsight.policy.files import default, default_texts, init, read
from fedsight.policy.version import PENDING
from fedsight.policy.versions import Versions, difference
from fedsight.policy.watching import InForce
from fedsight.signals import Event
from tests.policy.asked import asks, client, refusals

STRICT = default_texts()["federation.toml"].replace("min_trust = 0.4", "min_trust = 0.95")


def test_the_default_set_keeps_what_its_tests_promise() -> None:
    told = testing.run(Engine(default()), default().files)
    assert len(told) == 10
    assert [(one.name, one.wrong) for one in told if one.wrong] == []


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (("allowed = true", "allowed = false"), "allowed: a member of the federation"),
        (('"client.member"', '"client.friend"'), "decided by client.member"),
        (("lacks trust", "lacks tact"), "errors are the request does not fit"),
    ],
)
def test_a_test_that_fails_says_how(change: tuple[str, str], wrong: str) -> None:
    texts = default_texts()
    texts["default.test.toml"] = texts["default.test.toml"].replace(*change, 1)
    failed = [one for one in testing.run(Engine(default()), texts) if one.wrong]
    assert len(failed) == 1
    assert (failed[0].wrong or "").startswith(wrong)


@pytest.mark.parametrize("text", ["[[test]]\nname = 3", "[[test", '[[test]]\nnmae = "x"'])
def test_a_test_file_that_is_none_is_named(text: str) -> None:
    with pytest.raises(PolicyError, match=r"bad\.test\.toml:[12]:\d+: "):
        testing.run(Engine(default()), {"bad.test.toml": text})


def test_versions_have_author_difference_and_a_way_back(tmp_path: Path) -> None:
    init(tmp_path)
    versions = Versions(tmp_path)
    changed = versions.replace({**default_texts(), "federation.toml": STRICT}, "anna", "stricter")
    first, second = versions.all()
    assert (first.number, first.author) == (1, "unknown")
    assert (second.number, second.author, second.note) == (2, "anna", "stricter")
    assert second == changed
    told = difference(first.files, second.files, ("1", "2"))
    assert "-min_trust = 0.4\n+min_trust = 0.95" in told
    assert read(tmp_path).version == second.version
    back = versions.rollback(1, "bert")
    assert (back.number, back.note, back.version) == (3, "back to version 1", first.version)
    assert read(tmp_path).version == first.version
    with pytest.raises(UsageError, match="there is no policy version 9; there are 1 to 3"):
        versions.rollback(9, "bert")


def test_a_bad_set_never_replaces_a_good_one(tmp_path: Path) -> None:
    init(tmp_path)
    before = read(tmp_path)
    with pytest.raises(PolicyError):
        Versions(tmp_path).replace({**default_texts(), "own.cedar": "permit;"}, "eve", "")
    assert read(tmp_path).files == before.files


def test_a_replacement_that_was_cut_short_counts_whole(tmp_path: Path) -> None:
    init(tmp_path)
    texts = {**default_texts(), "federation.toml": STRICT}
    del texts["default.test.toml"]
    (tmp_path / PENDING).write_bytes(msgspec.json.encode(texts))
    assert read(tmp_path).files["federation.toml"] == STRICT
    Versions(tmp_path).finish()
    assert not (tmp_path / PENDING).exists()
    assert set(read(tmp_path).files) == set(texts)
    (tmp_path / PENDING).write_bytes(b"{")
    with pytest.raises(PolicyError, match="is damaged"):
        read(tmp_path)


def test_a_change_is_in_force_for_the_next_decision(tmp_path: Path) -> None:
    init(tmp_path)
    told: list[Event] = []
    force = InForce(tmp_path, told.append)
    assert force.engine.decide(asks()).allowed
    assert not force.look()
    (tmp_path / "federation.toml").write_text(STRICT)
    assert force.look()
    assert refusals(force.engine, asks()) == ("client.trust-too-low",)
    assert [one.kind for one in told] == ["POLICY_VERSION_UPDATED"]
    assert [one.note for one in force.versions.all()] == ["found in the folder"] * 2
    assert force.engine.decide(asks(party=client(trust=0.96))).allowed


def test_a_bad_change_and_a_folder_that_vanishes_leave_the_good_set(tmp_path: Path) -> None:
    folder = tmp_path / "policy"
    init(folder)
    told: list[Event] = []
    force = InForce(folder, told.append)
    (folder / "own.cedar").write_text("permit (")
    for _ in range(3):
        assert not force.look()
    assert "own.cedar:1:9: the file ends" in (force.fault or "")
    assert [one.kind for one in told] == ["POLICY_SET_REFUSED"]
    assert force.engine.decide(asks()).allowed
    shutil.move(folder, tmp_path / "elsewhere")
    for _ in range(3):
        assert not force.look()
    assert "cannot be read" in (force.fault or "")
    assert len(told) == 2
    assert force.engine.decide(asks()).allowed
    (tmp_path / "elsewhere" / "own.cedar").unlink()
    shutil.move(tmp_path / "elsewhere", folder)
    assert not force.look()
    assert force.fault is None


def test_a_start_with_a_bad_set_takes_the_newest_recorded_version(tmp_path: Path) -> None:
    init(tmp_path)
    Versions(tmp_path).record(read(tmp_path), "anna")
    (tmp_path / "own.cedar").write_text("permit (")
    told: list[Event] = []
    force = InForce(tmp_path, told.append)
    assert force.engine.version == default().version
    assert "recorded version 1 is in force" in told[0].details["message"]
    shutil.rmtree(tmp_path / ".versions")
    with pytest.raises(PolicyError):
        InForce(tmp_path)


def test_whoever_replaces_a_set_is_its_author_however_early_it_is_found(tmp_path: Path) -> None:
    init(tmp_path)
    force = InForce(tmp_path)
    with locked(tmp_path / ".lock"):  # as a replacement does, until it has recorded what it made
        (tmp_path / "federation.toml").write_text(STRICT)
        looking = Thread(target=force.look)
        looking.start()
        looking.join(0.5)
        assert [one.number for one in force.versions.all()] == [1]
        force.versions.record(read(tmp_path), "anna", "stricter")
    looking.join(10)
    assert [(one.author, one.note) for one in force.versions.all()][1:] == [("anna", "stricter")]
    assert refusals(force.engine, asks()) == ("client.trust-too-low",)
