"""One book of trust for whoever uses a data directory, reset by those who may."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings

from fedsight.errors import FedsightError, UsageError
from fedsight.policy import Engine, resetting
from fedsight.policy import shared_trust as shared
from fedsight.policy.audit import SigningKey, Trail
from fedsight.policy.audit.exporting import records
from fedsight.policy.files import default
from fedsight.policy.overseer import Overseer
from fedsight.policy.shared_trust import SharedTrust
from fedsight.policy.trust import Change, TrustBook
from tests.policy.asked import HOUR, NOON, operator
from tests.policy.test_trust import EVIDENCE

DAY = 24 * HOUR


@pytest.fixture
def book(tmp_path: Path) -> Iterator[SharedTrust]:
    with closing(SharedTrust(tmp_path / "trust.sqlite3")) as one:
        yield one


def test_what_one_notes_another_sees_at_once(tmp_path: Path, book: SharedTrust) -> None:
    with closing(SharedTrust(tmp_path / "trust.sqlite3")) as other:
        assert other.score("a", NOON) == 0.5
        assert not other.knows("a")
        change = book.note("a", "failed", NOON, run="r-1", round=2, note="why")
        assert other.score("a", NOON) == change.after == 0.4
        other.note("a", "failed", NOON)
        assert book.score("a", NOON) == pytest.approx(2 / 6)
        assert book.history("a") == other.history("a")
        assert book.history("a")[0] == change
        assert other.scores(NOON) == {"a": pytest.approx(2 / 6)}
        other.reset("a", "by anna: seen to", NOON)
        assert book.score("a", NOON) == 0.5
    with closing(SharedTrust(tmp_path / "trust.sqlite3")) as again:
        assert [one.cause for one in again.history("a")] == ["failed", "failed", "reset"]
    assert (tmp_path / "trust.sqlite3").stat().st_mode & 0o777 == 0o600


@given(EVIDENCE)
@settings(max_examples=20, deadline=None)
def test_it_is_the_book_in_memory(evidence: list[tuple[str, float, int]]) -> None:
    with TemporaryDirectory() as folder, closing(SharedTrust(Path(folder) / "t")) as kept:
        memory, now = TrustBook(), NOON
        for cause, share, passed in evidence:
            now = max(0, now + passed)
            told = [one.note("a", cause, now, share=share) for one in (kept, memory)]  # type: ignore[attr-defined]
            assert told[0] == told[1]
        assert kept.history("a") == memory.history("a")
        assert kept.score("a", now) == memory.score("a", now)


def test_what_is_noted_together_is_there_or_not_at_all(tmp_path: Path, book: SharedTrust) -> None:
    def fail() -> None:
        with book.together():
            book.note("a", "failed", NOON)
            book.note("b", "failed", NOON)
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert book.scores(NOON) == {}
    assert book.history("a") == []


def test_a_clock_that_was_set_back_raises_no_score(book: SharedTrust) -> None:
    """Nor does it fade what speaks for a client; set forward and back it fades once."""
    for _ in range(4):
        book.note("low", "failed", NOON)
        book.note("high", "answered", NOON)
    low, high = book.score("low", NOON), book.score("high", NOON)
    for back in (HOUR, DAY, 365 * DAY, NOON):
        assert book.score("low", NOON - back) == low
        assert book.score("high", NOON - back) == high
    assert book.note("low", "failed", NOON - DAY).after < low
    lower = book.score("low", NOON)
    assert book.score("low", NOON - DAY) == lower


def test_old_changes_and_clients_are_forgotten(
    book: SharedTrust, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "MOST_HISTORY", 10)
    monkeypatch.setattr(shared, "MOST_CLIENTS", 3)
    for _ in range(shared._PRUNED_EVERY):
        book.note("a", "answered", NOON)
    assert len(book.history("a")) == 10
    (left,) = book._db.execute("SELECT count(*) FROM change").fetchone()
    assert left == 10
    for name in ("b", "c", "a", "d"):
        book.note(name, "answered", NOON)
    assert sorted(book.scores(NOON)) == ["a", "c", "d"]
    assert book.history("b") == []


def test_what_others_note_costs_what_is_new(
    tmp_path: Path, book: SharedTrust, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, take = list[int](), book._take

    def taken(rows: Sequence[Any], first: int) -> None:
        read.append(len(rows))
        take(rows, first)

    monkeypatch.setattr(book, "_take", taken)
    with closing(SharedTrust(tmp_path / "trust.sqlite3")) as other, other.together():
        for number in range(500):
            other.note(f"c-{number}", "answered", NOON)
    assert len(book.scores(NOON)) == 500
    with closing(SharedTrust(tmp_path / "trust.sqlite3")) as other:
        for number in range(5):
            other.note(f"c-{number}", "failed", NOON)
            assert book.score(f"c-{number}", NOON) == other.score(f"c-{number}", NOON)
            book.note(f"c-{number}", "failed", NOON)
            assert book.score(f"c-{number}", NOON) == other.score(f"c-{number}", NOON)
    assert read == [500, *[1] * 10]


@pytest.mark.parametrize("most", [3, 100])
def test_two_books_and_a_new_one_agree_whoever_noted_what_and_who_was_forgotten(
    tmp_path: Path, book: SharedTrust, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(shared, "MOST_CLIENTS", most)
    rng = random.Random(most)
    with closing(SharedTrust(tmp_path / "trust.sqlite3")) as other:
        for _ in range(100):
            by = rng.choice((book, other))
            with by.together():
                for _ in range(rng.randint(1, 3)):
                    by.note(f"c-{rng.randrange(8)}", rng.choice(("answered", "failed")), NOON)
            if rng.random() < 0.5:
                assert book.scores(NOON) == other.scores(NOON)
                with closing(sqlite3.connect(tmp_path / "trust.sqlite3")) as hand, hand:
                    hand.execute("UPDATE standing SET good = good + 1")
                with closing(SharedTrust(tmp_path / "trust.sqlite3")) as new:
                    assert book.scores(NOON) == other.scores(NOON) == new.scores(NOON)
                assert len(book.scores(NOON)) <= most


def test_who_reads_does_not_wait_for_whoever_writes_in_the_same_process(book: SharedTrust) -> None:
    began, goes_on = threading.Event(), threading.Event()

    def writes() -> None:
        with book.together():
            book.note("a", "failed", NOON)
            began.set()
            assert goes_on.wait(30)

    with ThreadPoolExecutor(2) as threads:
        writing = threads.submit(writes)
        assert began.wait(15)
        try:
            assert threads.submit(book.score, "a", NOON).result(15) == 0.5
            assert not threads.submit(book.knows, "a").result(15)
        finally:
            goes_on.set()
        writing.result(15)
    assert book.score("a", NOON) == 0.4


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "trust.sqlite3"
    path.write_text("no database, but longer than its head is" * 100)
    with pytest.raises(FedsightError, match=r"trust\.sqlite3 cannot be read"):
        SharedTrust(path)
    path.unlink()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version=7")
    with pytest.raises(FedsightError, match="its version is 7"):
        SharedTrust(path)


def test_trust_is_reset_by_those_who_may_alone_and_recorded_first(
    tmp_path: Path, book: SharedTrust
) -> None:
    engine, told = Engine(default()), list[Change]()
    book.note("a", "rejected", NOON)
    low = book.score("a", NOON)
    with Trail(tmp_path / "audit", SigningKey.open(tmp_path / "key")) as trail:
        overseer = Overseer(lambda: engine, trail)
        for roles in ((), ("viewer",), ("operator",), ("auditor",)):
            with pytest.raises(UsageError, match="anna may not reset trust: no rule permits it"):
                resetting.permitted(overseer, operator(*roles), NOON)
        resetting.permitted(overseer, operator("admin"), NOON)
        observing = Overseer(lambda: Engine(default(), observe=True), trail)
        with pytest.raises(UsageError, match="may not reset trust"):
            resetting.permitted(observing, operator("viewer"), NOON)
        asked = [one.body["allowed"] for one in records(tmp_path / "audit", kind="decision")]
        assert asked == [False] * 4 + [True, True]
    anna = operator("admin")

    def full(_: Change) -> None:
        raise OSError(28, "No space left on device")

    for client, reason in (("nobody", "x"), ("a", " "), ("a", "x" * 501)):
        with pytest.raises(UsageError):
            resetting.reset(book, told.append, anna, client, reason, NOON)
    with pytest.raises(FedsightError, match="No space"):
        resetting.reset(book, full, anna, "a", "seen to", NOON)
    assert book.score("a", NOON) == low
    change = resetting.reset(book, told.append, anna, "a", "seen to", NOON)
    assert (change.cause, change.note, change.before) == ("reset", "by anna: seen to", low)
    assert told == [change]
    assert book.score("a", NOON) == 0.5
    with pytest.raises(ValueError, match=r"resetting\.reset"):
        book.note("a", "reset", NOON)


@pytest.mark.slow
def test_processes_that_note_at_one_time_lose_nothing(tmp_path: Path, book: SharedTrust) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from fedsight.policy.shared_trust import SharedTrust\n"
        "book = SharedTrust(Path(sys.argv[1]))\n"
        "for _ in range(100): book.note('a', 'answered', 10**18)\n"
        "book.close()"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "trust.sqlite3")]
    running = [subprocess.Popen(command) for _ in range(2)]
    for _ in range(50):
        book.note("a", "answered", 10**18)
    assert [one.wait(60) for one in running] == [0, 0]
    assert book.score("a", 10**18) == (250 + 2) / (250 + 4)
    assert len(book.history("a")) == 250
