"""Heads signed beside whoever records: nobody waits for the disk, nor records on without it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedsight.policy import Engine
from fedsight.policy.audit import Anchor, AuditError, SigningKey, Trail, verify
from fedsight.policy.files import default
from fedsight.policy.heads import Heads
from fedsight.policy.overseer import Overseer
from tests.policy.asked import asks

PATIENCE = 15.0


def until(wanted: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not wanted():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_nobody_waits_for_a_head_and_it_is_signed_and_witnessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, anchors, disk = SigningKey.open(tmp_path / "key"), list[Anchor](), threading.Event()
    sync = Trail._sync

    def slow(self: Trail, file: int) -> None:
        assert disk.wait(PATIENCE)
        sync(self, file)

    with Trail(tmp_path / "trail", key, anchors.append, head_records=3) as trail:
        monkeypatch.setattr(Trail, "_sync", slow)
        engine = Engine(default())
        with Heads(trail) as heads:
            overseer = Overseer(lambda: engine, trail, heads=heads)
            for _ in range(10):  # the disk has not answered yet
                assert overseer.decide(asks()).allowed
            assert anchors == []
            disk.set()
            until(lambda: anchors)
    found = verify(tmp_path / "trail", key.public, anchors)
    assert found.ok
    assert found.anchored == found.last


@pytest.mark.parametrize("fault", [AuditError, RuntimeError])
def test_where_a_head_does_not_reach_the_disk_nothing_is_allowed_until_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: type[Exception]
) -> None:
    key, told = SigningKey.open(tmp_path / "key"), list[Any]()
    with Trail(tmp_path / "trail", key, head_records=2) as trail:
        engine = Engine(default())
        with Heads(trail) as heads, monkeypatch.context() as broken:

            def fails(self: Trail, file: int) -> None:
                raise fault("cannot write the audit trail: no space")

            broken.setattr(Trail, "_sync", fails)
            overseer = Overseer(lambda: engine, trail, told.append, heads=heads)
            until(lambda: not overseer.decide(asks()).allowed)
            assert "no space" in overseer.decide(asks()).reason
            assert [one.kind for one in told] == ["AUDIT_FAILED"]
            broken.undo()
            until(lambda: overseer.decide(asks()).allowed)
    assert verify(tmp_path / "trail", key.public, []).ok
