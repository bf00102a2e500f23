"""A disk that fails, or does not answer: nothing is recorded that it may not keep."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedsight.policy import Engine, heads
from fedsight.policy.audit import Anchor, AuditError, SigningKey, Trail, syncing, verify
from fedsight.policy.files import default
from fedsight.policy.heads import Heads
from fedsight.policy.overseer import Overseer
from tests.policy.asked import asks

PATIENCE = 20.0


def until(wanted: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not wanted():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def fails(_: int) -> None:
    raise OSError(5, "Input/output error")


class Hanging:
    """An fsync that does not end for files of a trail, until it is let go."""

    def __init__(self, folder: Path) -> None:
        self.begun, self.let_go = threading.Event(), threading.Event()
        self._folder, self._sync = folder, os.fsync

    def __call__(self, file: int) -> None:
        if os.fstat(file).st_ino in {one.stat().st_ino for one in self._folder.glob("*.jsonl")}:
            self.begun.set()
            assert self.let_go.wait(PATIENCE)
        self._sync(file)


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return SigningKey.open(tmp_path / "key")


def test_a_failed_fsync_is_not_undone_by_one_that_succeeds(
    tmp_path: Path, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, anchors = tmp_path / "trail", list[Anchor]()
    trail = Trail(folder, key, anchors.append)
    trail.append("decision", {"n": 1})
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", fails)
        with pytest.raises(AuditError, match=r"Input/output error: .* is started again; verify it"):
            trail.sign()
    for again in (trail.sign, lambda: trail.append("decision", {"n": 2}), trail.close):
        with pytest.raises(AuditError, match="Input/output error"):
            again()
    assert str(trail.fault).count("Input/output error") == 1
    assert anchors == []
    with Trail(folder, key, anchors.append) as trail:
        trail.append("decision", {"n": 3})
    assert verify(folder, key.public, anchors).ok


@pytest.mark.parametrize("which", ["file", "folder"])
def test_nor_is_one_where_a_file_of_the_trail_is_full(
    tmp_path: Path, key: SigningKey, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    folder, sync = tmp_path / "trail", os.fsync
    trail = Trail(folder, key, segment_bytes=1000)

    def breaks(file: int) -> None:
        if (os.fstat(file).st_ino == folder.stat().st_ino) == (which == "folder"):
            fails(file)
        sync(file)

    def fill() -> None:
        for number in range(20):
            trail.append("decision", {"n": number})

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", breaks)
        with pytest.raises(AuditError, match="Input/output error"):
            fill()
    for _ in range(2):
        with pytest.raises(AuditError, match="is started again"):
            fill()
    with pytest.raises(AuditError):
        trail.close()
    assert verify(folder, key.public).ok


def test_a_handle_that_is_not_to_be_had_is_a_fault_of_the_moment(
    tmp_path: Path, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(_: int) -> int:
        raise OSError(24, "Too many open files")

    with Trail(tmp_path / "trail", key, head_records=2) as trail:
        with monkeypatch.context() as broken:
            broken.setattr(os, "dup", none)
            with pytest.raises(AuditError, match="Too many open files"):
                trail.append_all([("decision", {"n": 1}), ("decision", {"n": 2})])
            with pytest.raises(AuditError, match="Too many open files"):
                trail.sign()
        trail.append("decision", {"n": 3})
    assert verify(tmp_path / "trail", key.public).ok


def test_while_a_disk_does_not_answer_decisions_are_refused(
    tmp_path: Path, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, disk = Engine(default()), Hanging(tmp_path / "trail")
    monkeypatch.setattr(syncing, "LATE_SECONDS", 0.2)
    with Trail(tmp_path / "trail", key, head_records=2) as trail, Heads(trail) as signing:
        monkeypatch.setattr(os, "fsync", disk)
        overseer = Overseer(lambda: engine, trail, heads=signing)
        until(lambda: not overseer.decide(asks()).allowed)
        reason = overseer.decide(asks()).reason
        disk.let_go.set()
        until(lambda: overseer.decide(asks()).allowed)
    assert "its disk has not answered for more than 0.2 s" in reason
    assert verify(tmp_path / "trail", key.public).ok


def test_the_last_head_is_not_waited_for_without_end(
    tmp_path: Path,
    key: SigningKey,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    disk = Hanging(tmp_path / "trail")
    monkeypatch.setattr(heads, "END_SECONDS", 0.1)
    with Trail(tmp_path / "trail", key, head_records=1) as trail:
        monkeypatch.setattr(os, "fsync", disk)
        with caplog.at_level(logging.WARNING), Heads(trail) as signing:
            trail.append("decision", {"n": 1}, at_once=True)
            signing.look()
            assert disk.begun.wait(PATIENCE)
        disk.let_go.set()
        signing._thread.join(PATIENCE)
    assert "the head of the audit trail is not on disk after 0.1 s" in caplog.text
    assert verify(tmp_path / "trail", key.public).ok
