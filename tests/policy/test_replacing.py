"""A set is replaced whole or not at all: on a full disk, by a process that is killed, and while
others read it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import msgspec
import pytest

from fedsight.errors import FedsightError
from fedsight.policy.files import default_texts, init, texts
from fedsight.policy.version import PENDING
from fedsight.policy.versions import Versions
from fedsight.policy.watching import InForce
from tests.policy.service.served import Served

NEVER = '@id("more.never")\n@reason("no")\nforbid (principal, action, resource) when { false };\n'
#: Of several files some stay, some change, one comes, one goes; together so large as to matter.
NEW = {
    **{name: text for name, text in default_texts().items() if name != "default.test.toml"},
    "federation.toml": default_texts()["federation.toml"].replace("= 0.4", "= 0.95"),
    "more.cedar": f"// {'x' * 30_000}\n{NEVER}",
}


def left_over(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir() if "pending" in one.name]


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """A file system of its own, of that size."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"cannot mount a small file system: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "data" / "policy", "1m") as folder:
        yield folder


@pytest.fixture
def fast_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "fast", "256m") as folder:
        yield folder


@pytest.mark.slow
def test_killed_at_any_line_the_old_set_stands_or_the_new_one_with_its_author(
    fast_disk: Path,
) -> None:
    original, copies = fast_disk / "original", fast_disk / "copies"
    init(original)
    copies.mkdir()
    command = [sys.executable, "-m", "tests.policy.killed", str(original), str(copies)]
    given = msgspec.json.encode(NEW)
    done = subprocess.run(command, input=given, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()
    folders = sorted(copies.iterdir(), key=lambda one: int(one.name))
    assert len(folders) > 100
    found = [texts(one) for one in folders]
    old = found.count(default_texts())
    # Up to one line the old set, from then on the new one: what a reader sees is always whole.
    assert found == [default_texts()] * old + [NEW] * (len(found) - old)
    assert 0 < old < len(found)
    for at, folder in enumerate(folders):
        versions = Versions(folder)
        before = versions.newest()
        versions.finish()
        assert texts(folder) == found[at]
        assert {one.name for one in folder.iterdir() if one.name[0] != "."} == set(found[at])
        assert left_over(folder) == []
        newest = versions.newest()
        assert newest == before
        if at >= old:
            assert newest is not None
            assert (newest.author, newest.note, newest.files) == ("anna", "stricter", NEW)
    for folder in (folders[old - 1], folders[old], folders[-1]):
        force = InForce(folder)
        assert (force.fault, dict(force.files)) == (None, texts(folder))


def leave(folder: Path, pages: int) -> None:
    """Fill the disk but for so many pages."""
    ballast = folder / "ballast"
    ballast.unlink(missing_ok=True)
    free = os.statvfs(folder)
    ballast.write_bytes(b"x" * max(0, free.f_bavail - pages) * free.f_frsize)


@pytest.mark.slow
def test_on_a_full_disk_a_set_is_replaced_whole_or_not_at_all(small_disk: Path) -> None:
    init(small_disk)
    versions, came = Versions(small_disk), list[bool]()
    for pages in range(60):
        leave(small_disk, pages)
        said = ""
        try:
            versions.replace(NEW, "anna", "stricter")
        except FedsightError as error:
            said = str(error)
        came.append(said == "")
        assert said.endswith("No space left on device; the policy set is as it was") or came[-1]
        assert left_over(small_disk) == []
        assert texts(small_disk) == (NEW if came[-1] else default_texts())
        newest = versions.newest()
        assert newest is None or newest.files == texts(small_disk)
        if came[-1]:
            break
    assert len(came) > 10
    assert came[-1]


@pytest.mark.slow
def test_the_service_answers_what_a_restart_finds(small_disk: Path) -> None:
    init(small_disk)
    data = small_disk.parent
    served = Served(data)
    try:
        with served.client() as http:
            before = http.get("/api/v1/policies").json()
            leave(small_disk, 3)
            full = http.put("/api/v1/policies", json={"files": NEW})
            assert full.status_code == 503
            assert "the policy set is as it was" in full.json()["error"]["message"]
            assert http.get("/api/v1/policies").json()["digest"] == before["digest"]
    finally:
        served.close()
    served = Served(data)
    try:
        with served.client() as http:
            assert http.get("/api/v1/policies").json()["digest"] == before["digest"]
            (small_disk / "ballast").unlink()
            taken = http.put("/api/v1/policies", json={"files": NEW})
            assert taken.status_code == 200, taken.text
            back = http.post("/api/v1/policies/rollback", json={"number": 1})
            assert back.json() == {"version": before["version"], "number": 3}
    finally:
        served.close()


def test_what_an_older_program_left_is_finished(tmp_path: Path) -> None:
    init(tmp_path)
    (tmp_path / PENDING).write_bytes(msgspec.json.encode(NEW))
    (tmp_path / ".more.cedar.pending").write_text("half of")
    force = InForce(tmp_path)
    assert left_over(tmp_path) == []
    assert (texts(tmp_path), force.fault) == (NEW, None)
    newest = force.versions.newest()
    assert newest is not None
    assert (newest.number, newest.note) == (1, "found in the folder")


def test_a_service_beside_takes_what_a_killed_command_began(tmp_path: Path) -> None:
    init(tmp_path)
    force = InForce(tmp_path)
    made = Versions(tmp_path)._next(force.engine.ruleset, "anna", "x")
    new = msgspec.structs.replace(made, files=NEW)
    (tmp_path / PENDING).write_bytes(msgspec.json.encode(new))
    assert texts(tmp_path) == NEW
    assert force.look()
    assert dict(force.files) == NEW
    assert left_over(tmp_path) == []
    assert [one.author for one in force.versions.all()][1:] == ["anna"]


def test_a_step_that_fails_after_the_mark_leaves_the_new_set_and_is_done_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    init(tmp_path)
    versions, replace = Versions(tmp_path), Path.replace

    def fails(self: Path, target: Path) -> Path:
        if self.name.startswith(".") and self.name.endswith(".cedar.pending"):
            raise OSError(5, "Input/output error")
        return replace(self, target)

    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", fails)
        made = versions.replace(NEW, "anna", "stricter")
        assert texts(tmp_path) == NEW
        assert versions.newest() == made
        assert versions.get(made.number) == made
        assert InForce(tmp_path).engine.version == made.version
        with pytest.raises(OSError, match="Input/output"):
            versions.finish()
    versions.finish()
    assert left_over(tmp_path) == []
    assert (texts(tmp_path), versions.newest()) == (NEW, made)


def test_a_replaced_file_keeps_its_rights(tmp_path: Path) -> None:
    init(tmp_path)
    (tmp_path / "federation.toml").chmod(0o660)
    Versions(tmp_path).replace(NEW, "anna", "")
    assert (tmp_path / "federation.toml").stat().st_mode & 0o777 == 0o660


def test_whoever_reads_meanwhile_reads_one_of_the_two(tmp_path: Path) -> None:
    init(tmp_path)
    versions, ended, seen = Versions(tmp_path), Event(), list[dict[str, str]]()

    def reads() -> None:
        while not ended.is_set():
            seen.append(texts(tmp_path))

    reading = Thread(target=reads)
    reading.start()
    try:
        for _ in range(10):
            versions.replace(NEW, "anna", "")
            versions.replace(default_texts(), "anna", "")
    finally:
        ended.set()
        reading.join(15)
    assert seen
    assert all(one in (NEW, default_texts()) for one in seen)


def test_a_lock_that_emacs_leaves_is_no_rule(tmp_path: Path) -> None:
    init(tmp_path)
    (tmp_path / ".#clients.cedar").symlink_to("anna@machine.7:1")
    assert texts(tmp_path) == default_texts()
