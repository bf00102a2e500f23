from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from fedsight.errors import ModelError, UsageError
from fedsight.federated.versions import Fault, ModelStore
from fedsight.federated.versions.names import Version
from tests.federated.versions.made import files, store_with, versions

TWO = Version("r-1", 2)


def faults(store: ModelStore) -> list[Fault]:
    found = store.scan()
    read = [(one.name, store.fault(one)) for one in found.versions]
    return [*found.faults, *(Fault(name, said) for name, said in read if said is not None)]


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def link(path: Path) -> None:
    path.replace(path.with_suffix(".elsewhere"))
    path.symlink_to(path.with_suffix(".elsewhere"))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: flip(path, 0), "SHA-256"),
        (lambda path: flip(path, -1), "SHA-256"),
        (cut, "bytes, its manifest says"),
        (lambda path: path.write_bytes(b""), "has 0 bytes"),
        (Path.unlink, "is missing"),
        (link, "cannot be read"),
    ],
)
def test_a_damaged_model_is_named_and_not_copied(
    tmp_path: Path, damage: Callable[[Path], object], said: str
) -> None:
    store = store_with(tmp_path)
    two = store.read(TWO)
    assert two is not None
    damage(store.model_file(TWO))
    (fault,) = faults(store)
    assert fault.version == TWO
    assert said in fault.reason
    output = tmp_path / "model.safetensors"
    output.write_bytes(b"before")
    with pytest.raises(ModelError, match="model r-1/2 is damaged"):
        store.copy(two, output)
    assert output.read_bytes() == b"before"
    assert {path.name for path in tmp_path.iterdir()} == {"models", "model.safetensors"}


def test_any_flipped_byte_of_a_manifest_that_changes_a_fact_is_found(tmp_path: Path) -> None:
    store = store_with(tmp_path)
    path = store.manifest_file(TWO)
    whole, facts = path.read_bytes(), store.read(TWO)
    for at in range(len(whole)):
        flip(path, at)
        try:
            unchanged = msgspec.json.decode(path.read_bytes(), type=type(facts)) == facts
        except (msgspec.DecodeError, UnicodeDecodeError):
            unchanged = False
        assert [one.version for one in faults(store)] == ([] if unchanged else [TWO]), at
        path.write_bytes(whole)


def test_a_missing_manifest_is_damage(tmp_path: Path) -> None:
    store = store_with(tmp_path)
    store.manifest_file(TWO).unlink()
    (fault,) = faults(store)
    assert fault.version == TWO
    assert "2.json is missing" in fault.reason


def test_a_manifest_of_another_version_is_damage(tmp_path: Path) -> None:
    store = store_with(tmp_path)
    store.manifest_file(TWO).write_bytes(store.manifest_file(Version("r-1", 1)).read_bytes())
    (fault,) = faults(store)
    assert fault == Fault(TWO, "its manifest is that of 'r-1/1'")


def test_a_copy_is_the_file_bit_by_bit(tmp_path: Path) -> None:
    store = store_with(tmp_path)
    two = store.read(TWO)
    assert two is not None
    output = tmp_path / "model.safetensors"
    store.copy(two, output)
    assert output.read_bytes() == store.model_file(TWO).read_bytes()
    assert hashlib.sha256(output.read_bytes()).hexdigest() == two.sha256


@pytest.mark.parametrize("output", [".", "/", ".."])
def test_a_directory_is_no_output(tmp_path: Path, output: str) -> None:
    store = store_with(tmp_path)
    two = store.read(TWO)
    assert two is not None
    with pytest.raises(UsageError, match="the output must be a file"):
        store.copy(two, Path(output))


def test_a_version_that_was_removed_meanwhile_has_no_fault(tmp_path: Path) -> None:
    store = store_with(tmp_path)
    two = store.read(TWO)
    assert two is not None
    with store.locked():
        store.remove([TWO])
    assert store.fault(two) is None
    assert versions(store) == ["r-1/1", "r-1/3"]
    assert not any("2." in name for name in files(store))


def test_what_is_no_version_is_passed_over(tmp_path: Path) -> None:
    store = store_with(tmp_path)
    (store.folder / "r-1" / "notes.txt").write_text("mine")
    (store.folder / "r-1" / "01.json").write_text("{}")
    (store.folder / "r 2").mkdir()
    (store.folder / "r-3").symlink_to(store.folder / "r-1")
    with store.locked():
        store.clean()
    assert versions(store) == ["r-1/1", "r-1/2", "r-1/3"]
    assert (store.folder / "r-1" / "notes.txt").exists()


@pytest.mark.parametrize("suffix", ["part", "gone"])
def test_a_model_between_two_steps_is_a_leftover_and_cleaned(tmp_path: Path, suffix: str) -> None:
    store = store_with(tmp_path)
    manifest = store.manifest_file(TWO)
    manifest.replace(manifest.with_name(f".2.json.{suffix}"))
    assert versions(store) == ["r-1/1", "r-1/3"]
    with store.locked():
        assert store.clean() == 2
    assert files(store) == {f"r-1/{at}.{end}" for at in (1, 3) for end in ("json", "safetensors")}


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(ModelError, match="cannot write to the folder of models"):
        store_with(tmp_path)


def test_an_empty_store_is_no_error(tmp_path: Path) -> None:
    assert versions(ModelStore(tmp_path / "absent")) == []
    assert os.listdir(tmp_path) == []
