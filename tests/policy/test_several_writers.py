"""One trail, several writers: each follows what the others wrote, and refuses what does not fit."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from fedsight.policy.audit import (
    Anchor,
    AuditError,
    SigningKey,
    Trail,
    TurnError,
    turns,
    verify,
)
from fedsight.policy.audit.exporting import records
from fedsight.policy.audit.following import Told
from fedsight.policy.audit.record import made
from fedsight.policy.audit.turns import Turns


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return SigningKey.open(tmp_path / "keys" / "audit")


def test_two_writers_take_turns_and_each_hears_of_all(tmp_path: Path, key: SigningKey) -> None:
    folder, anchors, heard = tmp_path / "trail", list[Anchor](), list[Told]()
    with (
        Trail(folder, key, anchors.append, listener=heard.append, segment_bytes=4000) as one,
        Trail(folder, key, anchors.append, head_records=7, segment_bytes=4000) as two,
    ):
        for number in range(40):
            last = (one, two)[number % 3 % 2].append("decision", {"n": number})
            assert last > number
        assert one.follow() == two.follow()
        assert one.hash == two.hash
    found = verify(folder, key.public, anchors)
    assert found.ok, found
    assert found.anchored == found.last
    assert [one.body["n"] for one in records(folder, kind="decision")] == list(range(40))
    told = [one for one in heard if one.kind == "decision"]
    assert [one.body["n"] for one in told] == list(range(40))
    assert [one.own for one in told] == [number % 3 % 2 == 0 for number in range(40)]
    assert [one.seq for one in heard] == list(range(1, len(heard) + 1))


def test_a_head_that_one_signed_counts_for_all(tmp_path: Path, key: SigningKey) -> None:
    with Trail(tmp_path / "trail", key) as one, Trail(tmp_path / "trail", key) as two:
        one.append("decision", {})
        assert two.sign() is not None
        assert one.sign() is None
        assert one.sign(due=True) is None


def test_a_torn_record_is_taken_away_by_whoever_comes_next(tmp_path: Path, key: SigningKey) -> None:
    folder = tmp_path / "trail"
    with Trail(folder, key) as one, Trail(folder, key) as two:
        one.append("decision", {"n": 1})
        (path,) = folder.glob("*.jsonl")
        path.write_bytes(path.read_bytes() + b'{"body":{"n":2')
        assert one.follow() == 2
        two.append("decision", {"n": 3})
        one.append("decision", {"n": 4})
    assert verify(folder, key.public).ok
    kinds = [one.kind for one in records(folder)]
    assert kinds == ["opened", "decision", "torn", "decision", "decision", "head"]


def test_a_writer_that_was_killed_before_its_first_record_leaves_a_trail_to_begin(
    tmp_path: Path, key: SigningKey
) -> None:
    folder = tmp_path / "trail"
    folder.mkdir()
    (folder / "000000000001.jsonl").write_bytes(b'{"body":{"key"')
    with Trail(folder, key) as one:
        one.append("decision", {})
    assert verify(folder, key.public).ok
    assert [one.kind for one in records(folder)][:2] == ["opened", "torn"]


def forged(trail: Trail, kind: str, body: dict[str, object], prev: str | None = None) -> bytes:
    return made(trail.log, trail.seq + 1, prev or trail.hash, 1, kind, body)[1] + b"\n"


def test_what_does_not_fit_is_refused_from_then_on(tmp_path: Path, key: SigningKey) -> None:
    folder = tmp_path / "trail"
    trail = Trail(folder, key)
    trail.append("decision", {"n": 1})
    (path,) = folder.glob("*.jsonl")
    right = path.read_bytes()
    head = {"hash": trail.hash, "seq": trail.seq, "signature": "00" * 64}
    for wrong, why in (
        (right + b"nothing\n", "record 3 does not follow"),
        (right + forged(trail, "decision", {}, "0" * 64), "record 3 does not follow"),
        (right + forged(trail, "head", head), "a head that the key did not sign"),
        (right + b"x" * 9_000_000, "larger than|are no record"),
        (right[:-20], "shorter than it was"),
    ):
        path.write_bytes(wrong)
        for _ in range(2):
            with pytest.raises(AuditError, match=why) as raised:
                trail.append("decision", {"n": 2})
            assert "verify" in str(raised.value)
        path.write_bytes(right)
        trail.follow()
    assert trail.append("decision", {"n": 2}) == 3
    path.unlink()
    with pytest.raises(AuditError, match="removed"):
        trail.close()
    with pytest.raises(AuditError, match="was closed"):
        trail.append("decision", {})


def test_old_files_are_retired_while_others_write(tmp_path: Path, key: SigningKey) -> None:
    folder = tmp_path / "trail"
    with (
        Trail(folder, key, segment_bytes=2000) as busy,
        Trail(folder, key, segment_bytes=2000) as late,
    ):
        late.append("decision", {"n": 0})
        for number in range(1, 60):
            busy.append("decision", {"n": number})
        assert busy.retire(50) > 40
        assert not (folder / "000000000001.jsonl").exists()
        late.append("decision", {"n": 60})
        assert busy.follow() == late.seq
    found = verify(folder, key.public)
    assert found.ok, found
    assert found.first > 40


def test_files_that_were_removed_without_a_signature_are_missed(
    tmp_path: Path, key: SigningKey
) -> None:
    """Who can write the files removes old ones and says so, as `retire` does, but unsigned."""
    folder = tmp_path / "trail"
    late = Trail(folder, key, segment_bytes=2000)
    with Trail(folder, key, segment_bytes=2000) as busy:
        for number in range(40):
            busy.append("decision", {"n": number})
        paths = sorted(folder.glob("*.jsonl"))
        first = msgspec.json.decode(paths[-1].read_bytes().splitlines()[0])
        body = {"first": 1, "last": first["seq"] - 1, "hash": first["prev"], "signature": "00"}
        paths[-1].write_bytes(paths[-1].read_bytes() + forged(busy, "retired", body))
        for path in paths[:-1]:
            path.unlink()
        (folder / "lock").write_bytes(b"." * 100)
    assert "nothing signed says so" in (verify(folder, key.public).what or "")
    with pytest.raises(AuditError, match="nothing signed says so"):
        late.append("decision", {})
    with pytest.raises(AuditError):
        late.close()


def test_somebody_who_keeps_the_turn_is_not_waited_for_for_ever(
    tmp_path: Path, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "_STALE_SECONDS", 0.0)
    with Trail(tmp_path / "trail", key) as trail:
        monkeypatch.setattr(trail._turns, "_seconds", 0.1)
        other = Turns(tmp_path / "trail")
        other.take()
        with pytest.raises(AuditError, match="kept it to itself"):
            trail.append("decision", {})
        waiting = threading.Timer(0.05, other.give)
        monkeypatch.setattr(trail._turns, "_seconds", 20.0)
        waiting.start()
        trail.append("decision", {})
        waiting.join()
        other.close()


def test_all_who_wait_for_one_turn_have_one_deadline(tmp_path: Path, key: SigningKey) -> None:
    """Who comes while it is kept waits for what is left: a queue of them is no longer than one."""
    with Trail(tmp_path / "trail", key) as trail:
        other = Turns(tmp_path / "trail")
        other.take()
        begun = time.monotonic()
        for _ in range(20):
            with pytest.raises(TurnError), trail.turn(0.4):
                pass
        assert time.monotonic() - begun < 20 * 0.4
        held = trail.held
        assert held is not None
        assert held.pid == os.getpid()
        assert f"process {os.getpid()} has kept it to itself since" in str(held)
        with pytest.raises(TurnError):
            trail.append("decision", {}, at_once=True)
        other.close()
        trail.append("decision", {}, at_once=True)
        assert trail.held is None


def test_a_thread_that_waits_keeps_no_other_thread_beyond_its_own_deadline(
    tmp_path: Path, key: SigningKey
) -> None:
    with Trail(tmp_path / "trail", key) as trail:
        other = Turns(tmp_path / "trail")
        other.take()
        failed = list[Exception]()

        def wait() -> None:
            try:
                trail.append("decision", {})
            except AuditError as error:
                failed.append(error)

        waiting = threading.Thread(target=wait)
        waiting.start()
        end = time.monotonic() + 15
        while trail.held is None:
            assert time.monotonic() < end
            time.sleep(0.001)
        for at_once in range(2):
            with pytest.raises(TurnError), trail.turn(0.05 * at_once):
                pass
        assert waiting.is_alive()
        other.close()
        waiting.join(15)
        assert failed == []


def test_a_removed_or_swapped_trail_is_noticed_by_the_next_append(
    tmp_path: Path, key: SigningKey
) -> None:
    """The folder is gone, or another one; the file or the lock is not what others find."""

    def another_lock(folder: Path) -> None:
        (folder / "lock").rename(folder / "elsewhere")
        (folder / "lock").touch()

    def swapped(folder: Path) -> None:
        folder.rename(folder.with_name("away"))
        shutil.copytree(folder.with_name("away"), folder)

    ways: dict[str, Callable[[Path], object]] = {
        "removed": shutil.rmtree,
        "renamed": lambda folder: folder.rename(folder.with_name("moved")),
        "swapped": swapped,
        "file": lambda folder: (folder / "000000000001.jsonl").rename(folder / "elsewhere"),
        "lock": lambda folder: (folder / "lock").unlink(),
        "another lock": another_lock,
    }
    for name, spoil in ways.items():
        folder = tmp_path / name.replace(" ", "-")
        folder.mkdir()
        trail = Trail(folder / "trail", key)
        for number in range(3):
            trail.append("decision", {"n": number})
        spoil(folder / "trail")
        for _ in range(2):
            with pytest.raises(AuditError, match="were removed"):
                trail.append("decision", {"n": 4})
        with pytest.raises(AuditError, match="were removed"):
            trail.close()


def test_a_clock_that_jumps_is_in_the_records_and_their_order_stays(
    tmp_path: Path, key: SigningKey
) -> None:
    times = iter([10**18, 2 * 10**18, 5 * 10**17, 5 * 10**17 + 1, 6 * 10**17])
    with Trail(tmp_path / "trail", key, now=lambda: next(times)) as trail:
        for number in range(3):
            trail.append("decision", {"n": number})
    assert verify(tmp_path / "trail", key.public).ok
    kept = list(records(tmp_path / "trail", kind="decision"))
    assert [(one.seq, one.body["n"]) for one in kept] == [(2, 0), (3, 1), (4, 2)]
    assert [int(one.time) for one in kept] == [2 * 10**18, 5 * 10**17, 5 * 10**17 + 1]
    early = records(tmp_path / "trail", until=10**18, kind="decision")
    assert [one.body["n"] for one in early] == [1, 2]


PROGRAM = """
import sys
from pathlib import Path
from fedsight.policy.audit import SigningKey, Trail
trail = Trail(Path(sys.argv[1]), SigningKey.open(Path(sys.argv[2])), head_records=20,
              segment_bytes=30_000)
while True:
    print(trail.append_all([("decision", {"by": sys.argv[3]})] * 3), flush=True)
"""


def writer(folder: Path, name: str) -> subprocess.Popen[bytes]:
    keys = str(folder.parent / "keys" / "audit")
    command = [sys.executable, "-c", PROGRAM, str(folder), keys, name]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


@pytest.mark.slow
def test_a_writer_that_is_killed_holds_nobody_up_and_loses_nothing_it_was_told(
    tmp_path: Path, key: SigningKey
) -> None:
    folder = tmp_path / "trail"
    told: dict[str, int] = {}
    with writer(folder, "stays") as stays:
        assert stays.stdout is not None
        try:
            for turn in range(6):
                with writer(folder, f"killed-{turn}") as one:
                    assert one.stdout is not None
                    for _ in range(10 + turn):
                        told[f"killed-{turn}"] = int(one.stdout.readline())
                    os.kill(one.pid, signal.SIGKILL)
                before = int(stays.stdout.readline())
                end = time.monotonic() + 20
                while int(stays.stdout.readline()) <= max(before, *told.values()):
                    assert time.monotonic() < end
        finally:
            stays.kill()
    with Trail(folder, key):
        pass
    found = verify(folder, key.public)
    assert found.ok, found
    by = {one.seq: one.body["by"] for one in records(folder, kind="decision")}
    assert all(by[last] == name for name, last in told.items())
    assert len(set(by.values())) == 7
