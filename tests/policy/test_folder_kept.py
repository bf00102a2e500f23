"""Somebody keeps the lock of a policy set's folder: nobody else hangs, and all are told."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from fedsight.errors import FedsightError
from fedsight.policy import disk
from fedsight.policy.files import default_texts, init, read
from fedsight.policy.versions import LOCK, Versions
from fedsight.policy.watching import InForce
from tests.policy.asked import asks

STRICT = default_texts()["federation.toml"].replace("min_trust = 0.4", "min_trust = 0.95")


def test_nobody_waits_for_long_and_the_set_in_force_is_recorded_once_it_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    init(tmp_path)
    monkeypatch.setattr(disk, "LOCK_SECONDS", 0.1)
    kept = f"another process keeps {tmp_path / LOCK} to itself"
    with caplog.at_level(logging.WARNING), disk.locked(tmp_path / LOCK):
        force = InForce(tmp_path)
        assert force.engine.decide(asks()).allowed
        assert force.complaint == f"the policy set in force is not recorded as a version: {kept}"
        with pytest.raises(FedsightError) as refused:
            Versions(tmp_path).replace(default_texts(), "anna", "")
        assert str(refused.value).endswith(f"{kept}; the policy set is as it was")
        (tmp_path / "federation.toml").write_text(STRICT)
        assert force.look()
        assert not force.engine.decide(asks()).allowed
        assert not force.look()
        assert force.versions.all() == []
        assert [one.getMessage() for one in caplog.records] == [force.complaint]
    assert not force.look()
    assert force.complaint is None
    assert [one.version for one in force.versions.all()] == [read(tmp_path).version]


def test_a_change_that_cannot_be_finished_is_told_and_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    init(tmp_path)
    InForce(tmp_path)
    (tmp_path / ".more.cedar.pending").write_text("half of")
    monkeypatch.setattr(disk, "LOCK_SECONDS", 0.1)
    with disk.locked(tmp_path / LOCK):
        force = InForce(tmp_path)
        assert force.engine.decide(asks()).allowed
        assert "cannot be finished: another process keeps" in (force.complaint or "")
    force.look()
    assert force.complaint is None
    assert not (tmp_path / ".more.cedar.pending").exists()


def test_the_lock_is_its_owners_alone(tmp_path: Path) -> None:
    init(tmp_path)
    (tmp_path / LOCK).touch(mode=0o644)
    for _ in range(2):
        with disk.locked(tmp_path / LOCK):
            assert (tmp_path / LOCK).stat().st_mode & 0o777 == 0o600
        (tmp_path / LOCK).unlink()
