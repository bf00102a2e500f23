from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.tampering import edited
from fedsight.policy.audit import (
    Anchor,
    AuditError,
    PublicKey,
    SigningKey,
    Trail,
    canonical,
    verify,
)
from fedsight.policy.audit.exporting import export, records
from fedsight.policy.retention import retire

EDITS = 200


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return SigningKey.open(tmp_path / "keys" / "audit")


@pytest.fixture
def anchors() -> list[Anchor]:
    return []


@pytest.fixture
def folder(tmp_path: Path, key: SigningKey, anchors: list[Anchor]) -> Path:
    """A trail of three files with 60 records and their heads, closed and anchored."""
    folder = tmp_path / "trail"
    with Trail(folder, key, anchors.append, head_records=10, segment_bytes=8000) as trail:
        for number in range(60):
            trail.append("decision", {"client": f"client-{number % 7}", "allowed": number % 3 > 0})
    return folder


def lines(folder: Path) -> list[bytes]:
    return [
        line for path in sorted(folder.glob("*.jsonl")) for line in path.read_bytes().splitlines()
    ]


def rewrite(folder: Path, changed: list[bytes]) -> None:
    """Put other lines in the place of the trail's, in one file."""
    paths = sorted(folder.glob("*.jsonl"))
    for path in paths[1:]:
        path.unlink()
    paths[0].write_bytes(b"".join(line + b"\n" for line in changed))


def test_a_trail_that_nobody_touched_is_right(
    folder: Path, key: SigningKey, anchors: list[Anchor]
) -> None:
    found = verify(folder, key.public, anchors)
    assert found.ok, found
    assert found.records == found.last == len(lines(folder)) == 68
    assert found.signed == 67
    assert found.anchored == 68
    assert len(list(folder.glob("*.jsonl"))) > 2


def test_a_record_is_canonical_json_and_holds_what_was_told(folder: Path) -> None:
    for line in lines(folder):
        assert rfc8785.dumps(msgspec.json.decode(line)) == line
    told = [one.body["client"] for one in records(folder, kind="decision")]
    assert told == [f"client-{number % 7}" for number in range(60)]


def test_every_random_edit_is_seen(folder: Path, key: SigningKey, anchors: list[Anchor]) -> None:
    rewrite(folder, lines(folder))
    (path,) = folder.glob("*.jsonl")
    content = path.read_bytes()
    assert verify(folder, key.public, anchors).ok
    rng = random.Random(7)
    unseen = []
    for number in range(EDITS):
        kind, changed = edited(content, rng)
        path.write_bytes(changed)
        found = verify(folder, key.public, anchors)
        if found.ok or found.seq is None:
            unseen.append((number, kind))
    assert unseen == []


def test_the_first_record_that_is_wrong_is_named(
    folder: Path, key: SigningKey, anchors: list[Anchor]
) -> None:
    all_ = lines(folder)

    def told(changed: list[bytes]) -> tuple[int | None, str]:
        rewrite(folder, changed)
        found = verify(folder, key.public, anchors)
        return found.seq, found.what or ""

    altered = all_[19].replace(b'"client":"client-', b'"client":"clienT-')
    assert altered != all_[19]
    assert told([*all_[:19], altered, *all_[20:]]) == (
        20,
        "was altered: it does not have the hash of what it says",
    )
    assert told(all_[:19] + all_[20:]) == (20, "was removed: record 21 stands in its place")
    swapped = [*all_[:19], all_[20], all_[19], *all_[21:]]
    assert told(swapped) == (20, "was moved: record 21 stands in its place")
    assert told([*all_[:19], all_[18], *all_[19:]]) == (
        19,
        "is there twice: one of the two was inserted",
    )
    assert told(all_[:50]) == (51, "was removed: the trail ends before it, record 55 was anchored")
    assert told([all_[0], b" " + all_[1], *all_[2:]])[0] == 2
    assert told([]) == (1, f"is not there: {folder} holds no record")


def test_without_the_key_nobody_hashes_it_anew(
    folder: Path, tmp_path: Path, anchors: list[Anchor], key: SigningKey
) -> None:
    """Whoever can write the files makes a whole new trail, with a key of their own."""
    forger = SigningKey.open(tmp_path / "forger")
    forged = tmp_path / "forged"
    with Trail(forged, forger) as trail:
        trail.append("decision", {"client": "mallory", "allowed": True})
    assert verify(forged, forger.public).ok
    assert verify(forged, key.public).what == "was altered: its signature is not the key's"


def test_a_trail_that_was_rolled_back_with_its_head_is_seen_by_its_anchors(
    tmp_path: Path, key: SigningKey
) -> None:
    anchors: list[Anchor] = []
    folder = tmp_path / "trail"
    with Trail(folder, key, anchors.append) as trail:
        trail.append("decision", {"allowed": False})
    before = lines(folder)
    with Trail(folder, key, anchors.append) as trail:
        trail.append("decision", {"allowed": True})
    rewrite(folder, before)
    assert verify(folder, key.public).ok
    found = verify(folder, key.public, anchors)
    assert (found.seq, found.anchored) == (4, 3)
    rewrite(folder, [])
    (folder / "000000000001.jsonl").unlink()
    with Trail(folder, key) as trail:
        trail.append("decision", {"allowed": True})
    assert "is of another trail" in (verify(folder, key.public, anchors).what or "")


def test_what_came_since_the_last_anchor_can_be_cut_and_the_verdict_says_from_where(
    tmp_path: Path, key: SigningKey
) -> None:
    anchors: list[Anchor] = []
    trail = Trail(tmp_path / "trail", key, anchors.append, head_records=5)
    for _ in range(7):
        trail.append("decision", {})
    found = verify(tmp_path / "trail", key.public, anchors)
    trail.close()
    assert (found.last, found.signed, found.anchored) == (9, 5, 6)


def test_it_goes_on_where_it_was_closed_killed_or_torn(tmp_path: Path, key: SigningKey) -> None:
    folder = tmp_path / "trail"
    with Trail(folder, key) as trail:
        trail.append("decision", {"n": 1})
    (path,) = folder.glob("*.jsonl")
    path.write_bytes(path.read_bytes() + b'{"body":{"n":2')
    with Trail(folder, key) as trail:
        trail.append("decision", {"n": 3})
    assert verify(folder, key.public).ok
    kinds = [one.kind for one in records(folder)]
    assert kinds == ["opened", "decision", "head", "torn", "decision", "head"]


def test_old_records_go_and_the_chain_is_proven_all_the_same(
    folder: Path, key: SigningKey, anchors: list[Anchor]
) -> None:
    with Trail(folder, key, anchors.append, segment_bytes=8000) as trail:
        gone = trail.retire(50)
        assert 0 < gone < 50
        trail.append("decision", {})
    found = verify(folder, key.public, [one for one in anchors if one.seq > gone])
    assert found.ok, found
    assert found.first == gone + 1
    with Trail(folder, key, anchors.append, segment_bytes=8000) as trail:
        assert trail.retire(gone) == 0
    first = min(folder.glob("*.jsonl"))
    first.unlink()
    assert "were removed, and nothing signed says so" in (verify(folder, key.public).what or "")


def test_who_removes_records_is_recorded_before_they_are_gone(
    folder: Path, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Path, missing_ok: bool = False) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", fails)
        with pytest.raises(AuditError, match="cannot remove old records: Input/output error"):
            retire(folder, key, (), time.time_ns(), "ada")
    *_, retired, said, head = records(folder)
    assert [one.kind for one in (retired, said, head)] == ["retired", "event", "head"]
    assert said.body["details"]["author"] == "ada"
    assert said.body["details"]["records"] == retired.body["last"]


def test_anchors_of_retired_records_do_not_disturb(
    folder: Path, key: SigningKey, anchors: list[Anchor]
) -> None:
    with Trail(folder, key, anchors.append, segment_bytes=8000) as trail:
        trail.retire(50)
    assert verify(folder, key.public, anchors).ok


def test_it_is_exported_byte_by_byte(folder: Path) -> None:
    out = BytesIO()
    assert export(folder, out) == 68
    assert out.getvalue().splitlines() == lines(folder)
    middle = int(msgspec.json.decode(lines(folder)[30])["time"])
    out = BytesIO()
    assert export(folder, out, since=middle) == 38


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_a_key_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "audit"
    SigningKey.open(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(mode)
    with pytest.raises(AuditError, match=r"others may use the signing key .* chmod 600"):
        SigningKey.open(path)


def test_a_key_is_kept_and_its_public_half_lies_beside(tmp_path: Path) -> None:
    one, again = SigningKey.open(tmp_path / "audit"), SigningKey.open(tmp_path / "audit")
    assert one.public.text == again.public.text
    assert PublicKey.read(tmp_path / "audit.pub").text == one.public.text
    (tmp_path / "audit.pub").write_text("no key")
    with pytest.raises(AuditError, match="holds no public key"):
        PublicKey.read(tmp_path / "audit.pub")
    (tmp_path / "audit").write_text("no key")
    with pytest.raises(AuditError, match="holds no private key"):
        SigningKey.open(tmp_path / "audit")


@pytest.fixture
def small_files() -> Iterator[None]:
    """Files can grow to 4,000 bytes: a disk that is full, for this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_raises_and_leaves_a_whole_trail(
    tmp_path: Path, key: SigningKey, small_files: None
) -> None:
    trail = Trail(tmp_path / "trail", key)

    def fill() -> None:
        for _ in range(100):
            trail.append("decision", {"client": "client-1"})

    with pytest.raises(AuditError, match="cannot write the audit trail"):
        fill()
    written = trail.seq
    assert 5 < written < 20
    with pytest.raises(AuditError):
        trail.append("decision", {"client": "client-1"})
    assert trail.seq == written
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert soft == 4000
    trail.append("decision", {"client": "client-2"})
    trail.close()
    assert verify(tmp_path / "trail", key.public).ok


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_a_trail_that_goes_on(
    tmp_path: Path, key: SigningKey
) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from fedsight.policy.audit import SigningKey, Trail\n"
        "trail = Trail(Path(sys.argv[1]), SigningKey.open(Path(sys.argv[2])), head_records=20)\n"
        "while True: print(trail.append('decision', {'n': 1}), flush=True)"
    )
    folder = tmp_path / "trail"
    for _ in range(3):
        arguments = [sys.executable, "-c", program, str(folder), str(tmp_path / "keys" / "audit")]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            said = [int(process.stdout.readline()) for _ in range(50)]
            process.kill()
        with Trail(folder, key) as trail:
            assert trail.seq >= said[-1]
        assert verify(folder, key.public).ok


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=20,
)


@given(JSON)
def test_whatever_was_asked_can_be_recorded(value: Any) -> None:
    plain = canonical.plain({"request": value, "raw": b"\xff", "set": {1, 2}})
    content = canonical.dumps(plain)
    assert canonical.dumps(msgspec.json.decode(content)) == content


def test_what_json_has_no_form_for_is_told_in_words() -> None:
    told = canonical.plain([2**60, float("nan"), "\ud800", 1.5, os, {3: ()}])
    assert told[:4] == [{"$int": str(2**60)}, {"$float": "nan"}, {"$text": "'\\ud800'"}, 1.5]
    assert "module" in told[4]["$other"]
    assert told[5] == {"3": []}
