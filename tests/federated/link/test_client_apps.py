"""Apps that a run brings: verified, unpacked safely, and only where that is allowed."""

from __future__ import annotations

import hashlib
import stat
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from flwr.supercore.fab import Fab
from flwr.supercore.run import Run

from fedsight.federated.link.client_apps import AppRefusedError, ClientApps, unpacked
from fedsight.federated.node.client import app as our_app
from tests.federated.link.stock import app_bundle
from tests.federated.link.warm_nodes import CLIENT, app_source


def fab_of(content: bytes) -> Fab:
    return Fab(hashlib.sha256(content).hexdigest(), content, {})


def run_of(fab: Fab, override: dict[str, int] | None = None) -> Run:
    run = Run.create_empty(1)
    run.fab_hash, run.override_config = fab.hash_str, dict(override or {})
    return run


def test_our_own_app_is_the_one_that_is_installed(tmp_path: Path) -> None:
    fab = fab_of(app_bundle(config={"nodes": 2, "rounds": 5}))
    loaded = ClientApps(tmp_path, foreign=False).load(run_of(fab, {"rounds": 7}), fab)
    assert loaded.app is our_app
    assert loaded.ours
    assert loaded.config == {"nodes": 2, "rounds": 7}
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_with_another_hash_is_refused(tmp_path: Path) -> None:
    fab, other = fab_of(app_bundle()), fab_of(app_bundle())
    with pytest.raises(AppRefusedError, match="its hash differs"):
        ClientApps(tmp_path, foreign=True).load(run_of(fab), other)


@pytest.mark.parametrize("content", [b"", b"no zip", app_bundle(files={})[:-30]])
def test_a_bundle_that_is_none_is_refused(content: bytes, tmp_path: Path) -> None:
    fab = fab_of(content)
    with pytest.raises(AppRefusedError, match="no zip file"):
        ClientApps(tmp_path, foreign=True).load(run_of(fab), fab)


@pytest.mark.parametrize("name", ["../out.py", "/out.py", "a/../../out.py", "a\\..\\out.py"])
def test_a_file_that_would_be_written_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(AppRefusedError, match="unsafe file name"):
        unpacked(fab_of(app_bundle(files={name: "x"})), tmp_path / "apps")
    assert [path.name for path in tmp_path.rglob("*")] == ["apps"]


def test_a_link_is_refused(tmp_path: Path) -> None:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        bundle.writestr(link, "/etc")
    with pytest.raises(AppRefusedError, match="unsafe file name"):
        unpacked(fab_of(buffer.getvalue()), tmp_path / "apps")


def test_a_bundle_that_grows_beyond_measure_is_refused(tmp_path: Path) -> None:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        for number in range(5):
            bundle.writestr(f"{number}", bytes(60 * 2**20))
    assert len(buffer.getvalue()) < 2**20
    with pytest.raises(AppRefusedError, match="larger than"):
        unpacked(fab_of(buffer.getvalue()), tmp_path / "apps")


def test_a_file_where_the_bundle_wants_a_folder_is_told(tmp_path: Path) -> None:
    fab = fab_of(app_bundle(CLIENT, files={**app_source(), "tried": "a file"}))
    with pytest.raises(AppRefusedError, match=r"cannot be unpacked in .*: (File exists|Is a dir)"):
        ClientApps(tmp_path, foreign=True).load(run_of(fab), fab)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "apps").write_text("a file")
    fab = fab_of(app_bundle(CLIENT, files=app_source()))
    with pytest.raises(AppRefusedError, match=r"cannot be unpacked in .*apps: File exists"):
        unpacked(fab, tmp_path / "apps")


def test_a_bundle_whose_content_is_damaged_is_told(tmp_path: Path) -> None:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        bundle.writestr("word", "first")
    content = buffer.getvalue().replace(b"first", b"worst")
    with pytest.raises(AppRefusedError, match="Bad CRC"):
        unpacked(fab_of(content), tmp_path / "apps")


def test_an_app_is_unpacked_once_under_its_hash(tmp_path: Path) -> None:
    fab = fab_of(app_bundle(CLIENT, files=app_source()))
    first = unpacked(fab, tmp_path)
    assert first == tmp_path / fab.hash_str
    (first / "mark").touch()
    assert unpacked(fab, tmp_path) == first
    assert (first / "mark").exists()


def test_an_app_that_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    apps = ClientApps(tmp_path, foreign=True)
    for reference, said in (
        ("nowhere.client:app", "No module named 'nowhere'"),
        ("tried.client:other", "Unable to load attribute other"),
        ("tried.client:WORD", "is no ClientApp but str"),
    ):
        fab = fab_of(app_bundle(reference, files=app_source()))
        with pytest.raises(AppRefusedError, match=said):
            apps.load(run_of(fab), fab)


def test_two_apps_with_the_same_names_do_not_mix(tmp_path: Path) -> None:
    apps = ClientApps(tmp_path, foreign=True)
    words = []
    for word in ("first", "second"):
        fab = fab_of(app_bundle(CLIENT, files=app_source(word)))
        loaded = apps.load(run_of(fab), fab)
        assert not loaded.ours
        words.append(sys.modules["tried.client"].WORD)
    assert words == ["first", "second"]
