"""Journals that nobody sends any more are found, the others left alone."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from fedsight.journal import Journal, orphans
from fedsight.signals import Event, batch

STARTED = batch(events=[Event(1, "federated", "RUN_STARTED", "r-1")])
ENDED = batch(events=[Event(2, "federated", "RUN_ENDED", "r-1")])


def left_behind(folder: Path, journal_id: str, *, ended: bool, shipped: bool) -> None:
    with Journal(folder, journal_id) as journal:
        journal.append(STARTED)
        if ended:
            journal.append(ENDED)
        if shipped:
            journal.mark_shipped(journal.last_seq)


def test_only_what_is_unfinished_and_unowned_is_handed_out(tmp_path: Path) -> None:
    left_behind(tmp_path, "waiting", ended=True, shipped=False)
    left_behind(tmp_path, "running", ended=False, shipped=True)
    left_behind(tmp_path, "spent", ended=True, shipped=True)
    with Journal(tmp_path, "alive") as alive:
        alive.append(STARTED)
        assert [journal.id for journal in orphans(tmp_path)] == ["running", "waiting"]


def test_an_orphan_is_owned_until_the_next_one(tmp_path: Path) -> None:
    left_behind(tmp_path, "one", ended=False, shipped=False)
    for journal in orphans(tmp_path):
        assert journal.open_runs == {"r-1"}
        assert list(orphans(tmp_path)) == []
        journal.append(ENDED)
        journal.mark_shipped(journal.last_seq)
    assert list(orphans(tmp_path)) == []


def test_spent_journals_are_not_opened_again(tmp_path: Path) -> None:
    left_behind(tmp_path, "one", ended=True, shipped=True)
    spent: dict[Path, int] = {}
    assert list(orphans(tmp_path, spent)) == []
    assert list(spent) == [tmp_path / "one.sqlite"]
    os.remove(tmp_path / "one.sqlite.lock")
    assert list(orphans(tmp_path, spent)) == []
    assert not (tmp_path / "one.sqlite.lock").exists()


def test_a_spent_journal_that_goes_on_is_found_again(tmp_path: Path) -> None:
    left_behind(tmp_path, "one", ended=True, shipped=True)
    spent: dict[Path, int] = {}
    assert list(orphans(tmp_path, spent)) == []
    left_behind(tmp_path, "one", ended=False, shipped=False)
    assert [journal.id for journal in orphans(tmp_path, spent)] == ["one"]


def test_a_damaged_journal_does_not_hide_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "damaged.sqlite").write_bytes(b"nothing of the kind" * 99)
    left_behind(tmp_path, "whole", ended=True, shipped=False)
    with caplog.at_level(logging.WARNING):
        assert [journal.id for journal in orphans(tmp_path)] == ["whole"]
    assert "damaged.sqlite" in caplog.text


def test_a_folder_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert list(orphans(tmp_path / "nowhere")) == []
