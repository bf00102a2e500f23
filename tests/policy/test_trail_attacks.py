"""Whoever can write the trail's files, without its key: each attack that was found, as a test."""

from __future__ import annotations

import os
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from fedsight.policy.audit import (
    Anchor,
    AuditError,
    PublicKey,
    SigningKey,
    Trail,
    segments,
    verify,
)
from fedsight.policy.audit.exporting import export, page
from fedsight.policy.audit.record import LINE_BYTES, chained, made
from fedsight.policy.audit.turns import Turns, still
from fedsight.policy.files import default
from fedsight.policy.replay import replay

FIRST = "000000000001.jsonl"


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return SigningKey.open(tmp_path / "keys" / "audit")


def filled(folder: Path, key: SigningKey, count: int, segment_bytes: int = 2**20) -> list[int]:
    """A trail with so many decisions; the first record of each of its files."""
    with Trail(folder, key, segment_bytes=segment_bytes) as trail:
        for number in range(count):
            trail.append("decision", {"n": number})
    return [int(path.stem) for path in sorted(folder.glob("*.jsonl"))]


def test_a_trail_that_was_cut_and_grown_to_the_same_length_is_seen_by_its_older_anchors(
    tmp_path: Path, key: SigningKey
) -> None:
    """An honest writer signs and anchors the other record in the place of the one that was cut."""
    folder, anchors = tmp_path / "trail", list[Anchor]()
    for allowed in (False, True):
        with Trail(folder, key, anchors.append) as trail:
            trail.append("decision", {"allowed": allowed})
        if allowed:
            break
        (path,) = folder.glob("*.jsonl")
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:1]))
    assert [one.seq for one in anchors] == [3, 3]
    assert verify(folder, key.public, anchors[1:]).ok
    for told in (anchors, anchors[::-1]):
        found = verify(folder, key.public, told)
        assert (found.seq, found.what) == (3, "was altered: its hash was anchored otherwise")


@pytest.mark.parametrize("number", [10**30, 10**17, 2**53, 0, -5])
def test_absurd_numbers_in_anchors_and_records_raise_nothing_else(
    tmp_path: Path, key: SigningKey, number: int
) -> None:
    """Whoever may write events makes anchors; whoever writes the files makes records."""
    folder = tmp_path / "trail"
    with Trail(folder, key) as trail:
        forged = Anchor(trail.log, number, "0" * 64, "00" * 64)
        assert verify(folder, key.public, [forged]).ok
        said = b'{"hash":"","last":%d,"signature":"%s"}' % (number, b"00" * 64)
        line = chained(trail.log, trail.seq + 1, trail.hash, 1, "retired", said)[1]
        (folder / FIRST).write_bytes((folder / FIRST).read_bytes() + line + b"\n")
        assert trail.append("decision", {}) == 3


def test_a_forged_head_at_the_end_does_not_pass_for_a_signed_one(
    tmp_path: Path, key: SigningKey
) -> None:
    folder = tmp_path / "trail"
    filled(folder, key, 2)
    with Trail(folder, key) as trail:
        body = {"hash": trail.hash, "seq": trail.seq, "signature": "00" * 64}
        forged = made(trail.log, trail.seq + 1, trail.hash, 1, "head", body)[1] + b"\n"
    (folder / FIRST).write_bytes((folder / FIRST).read_bytes() + forged)
    trail = Trail(folder, key)
    assert trail.sign() is not None
    trail.close()
    assert "its signature is not the key's" in (verify(folder, key.public).what or "")


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_a_link_or_a_pipe_in_the_place_of_a_file_is_neither_followed_nor_waited_for(
    tmp_path: Path, key: SigningKey, kind: str
) -> None:
    folder, other = tmp_path / "trail", tmp_path / "other"
    filled(folder, key, 1)
    other.write_bytes(b"of somebody else, without an end")
    ways: dict[str, Callable[[Path], object]] = {
        "link": lambda path: path.symlink_to(other),
        "pipe": os.mkfifo,
        "folder": Path.mkdir,
    }
    ways[kind](folder / "000000000009.jsonl")
    for act in (
        lambda: verify(folder, key.public),
        lambda: Trail(folder, key),
        lambda: export(folder, BytesIO()),
        lambda: page(folder, 0, limit=10, most_bytes=1000),
    ):
        with pytest.raises(AuditError, match="is no regular file"):
            act()
    assert other.read_bytes() == b"of somebody else, without an end"


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path, key: SigningKey) -> None:
    folder, other = tmp_path / "trail", tmp_path / "other"
    folder.mkdir()
    other.write_bytes(b"x")
    (folder / "lock").symlink_to(other)
    with pytest.raises(AuditError, match="cannot open the audit trail"):
        Trail(folder, key)
    assert other.read_bytes() == b"x"


def test_a_line_without_an_end_is_read_in_pieces(tmp_path: Path, key: SigningKey) -> None:
    folder = tmp_path / "trail"
    filled(folder, key, 1)
    with (folder / FIRST).open("ab") as file:
        file.truncate(file.tell() + 5 * LINE_BYTES)
    found = verify(folder, key.public)
    assert (found.records, found.seq) == (3, 4)
    assert "is no record" in (found.what or "")
    with pytest.raises(AuditError, match="are no record"):
        Trail(folder, key)
    with pytest.raises(AuditError, match="is no record"):
        replay(default(), folder)


def test_a_file_that_was_renamed_is_not_removed_for_its_name(
    tmp_path: Path, key: SigningKey
) -> None:
    """Retention goes by names: a newer file with an older name would go with the old ones."""
    folder = tmp_path / "trail"
    firsts = filled(folder, key, 60, segment_bytes=2000)
    assert len(firsts) > 4
    moved = folder / f"{firsts[1] - 1:012}.jsonl"
    (folder / f"{firsts[3]:012}.jsonl").rename(moved)
    wrong = pytest.raises(AuditError, match=f"begins with record {firsts[3]}")
    with Trail(folder, key, segment_bytes=2000) as trail, wrong:
        trail.retire(firsts[2])
    assert moved.exists()
    assert (folder / FIRST).exists()


def test_a_public_key_in_another_ones_place_is_not_verified_with(
    tmp_path: Path, key: SigningKey
) -> None:
    own = tmp_path / "keys" / "audit"
    assert PublicKey.beside(own).text == key.public.text
    forger = SigningKey.open(tmp_path / "forger")
    (tmp_path / "keys" / "audit.pub").write_text(forger.public.text)
    with pytest.raises(AuditError, match="is not the public half of"):
        PublicKey.beside(own)
    own.rename(tmp_path / "elsewhere")
    assert PublicKey.beside(own).text == forger.public.text
    (tmp_path / "elsewhere").rename(own)
    (tmp_path / "keys" / "audit.pub").unlink()
    SigningKey.open(own)
    assert PublicKey.read(tmp_path / "keys" / "audit.pub").text == key.public.text


def test_a_page_holds_whole_records_alone_and_no_more_bytes_than_it_may(
    tmp_path: Path, key: SigningKey
) -> None:
    folder = tmp_path / "trail"
    filled(folder, key, 30, segment_bytes=3000)
    all_ = [line for path in sorted(folder.glob("*")) for line in path.read_text().splitlines()]
    all_ = [line for line in all_ if line.startswith("{")]
    newest = max(folder.glob("*.jsonl"))
    newest.write_bytes(newest.read_bytes() + b'{"body":{"n":2')
    for limit, most_bytes in ((7, 10**6), (1000, 1200), (1, 1), (1000, 10**6)):
        told, after = list[str](), 0
        while True:
            found = page(folder, after, limit=limit, most_bytes=most_bytes)
            assert 0 < len(found.lines) <= limit
            assert len(found.lines) == 1 or sum(map(len, found.lines)) <= most_bytes
            told += found.lines
            if found.next is None:
                break
            assert found.next > after
            after = found.next
        assert told == all_
    other = Turns(folder)
    other.take()
    assert page(folder, 0, limit=100, most_bytes=10**6, seconds=0.01).lines == all_
    other.close()


def test_lines_that_are_no_records_do_not_make_an_endless_number_of_pages(
    tmp_path: Path, key: SigningKey
) -> None:
    folder = tmp_path / "trail"
    filled(folder, key, 1)
    (folder / FIRST).write_bytes((folder / FIRST).read_bytes() + b"nothing\n" * 20)
    assert len(page(folder, 3, limit=20, most_bytes=10**6).lines) == 20
    first = page(folder, 0, limit=10, most_bytes=10**6)
    assert (len(first.lines), first.next) == (10, 3)
    with pytest.raises(AuditError, match="holds no record after 3"):
        page(folder, 3, limit=10, most_bytes=10**6)
    with pytest.raises(AuditError, match="cannot read"):
        page(tmp_path / "nowhere", 0, limit=10, most_bytes=10**6)


def test_verifying_and_exporting_beside_a_stuck_writer_see_whole_records(
    tmp_path: Path, key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "trail"
    filled(folder, key, 3)
    monkeypatch.setattr(segments, "still", lambda folder, _: still(folder, 0.05))
    (folder / FIRST).write_bytes((folder / FIRST).read_bytes() + b'{"body":{"n":2')
    assert "is cut short" in (verify(folder, key.public).what or "")
    out = BytesIO()
    assert export(folder, out) == 5
    other = Turns(folder)
    other.take()
    assert verify(folder, key.public).ok
    other.close()
