"""`fedsight policy` about a set: which folder is meant, what an older one lacks, the way back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedsight.policy.files import default_texts
from tests.cli.command import fedsight

pytestmark = pytest.mark.slow

EMPTY = ("fedsight.cedarschema", "federation.toml")


def written(folder: Path, texts: dict[str, str]) -> Path:
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
    return folder


def test_a_set_is_named_by_its_folder(tmp_path: Path) -> None:
    data, there = tmp_path / "data", written(tmp_path / "candidate", default_texts())
    right = fedsight(data, "policy", "validate", str(there))
    assert right.returncode == 0, right.stderr
    assert right.stdout.startswith(f"{there} is right: version ")
    tested = fedsight(data, "policy", "test", str(there))
    assert tested.stdout.endswith("10 policy tests passed\n")
    both = fedsight(data, "policy", "validate", str(there), "--set", str(data))
    assert both.returncode == 2
    assert "name one set" in both.stderr
    told = fedsight(data, "policy", "validate", "--help").stdout
    assert "Example: fedsight policy validate candidate" in told


def test_what_an_older_schema_lacks_is_told_and_added(tmp_path: Path) -> None:
    data, texts = tmp_path / "data", default_texts()
    schema = texts["fedsight.cedarschema"].replace("    private?: Bool,\n", "")
    older = {name: text for name, text in texts.items() if "private" not in text}
    there = written(data / "policy", {**older, "fedsight.cedarschema": schema})
    said = fedsight(data, "policy", "validate")
    assert said.returncode == 0
    assert "Add the line `private?: Bool,` here" in said.stderr
    assert "fedsight.cedarschema:27:36: entity Client lacks private" in said.stderr
    done = fedsight(data, "policy", "init", "--upgrade", "--author", "anna")
    assert done.returncode == 0, done.stderr
    assert "has private of Client, private of Run now: version " in done.stdout
    assert "lacks nothing" in fedsight(data, "policy", "init", "--upgrade").stdout
    listed = json.loads(fedsight(data, "policy", "versions", "--json").stdout)
    assert [one["author"] for one in listed] == ["unknown", "anna"]
    assert (there / "fedsight.cedarschema").read_text().count("    private?: Bool,\n") == 2


def test_a_command_goes_back_from_an_empty_set(tmp_path: Path) -> None:
    data, texts = tmp_path / "data", default_texts()
    assert fedsight(data, "policy", "init").returncode == 0
    for name in texts:
        if name not in EMPTY:
            (data / "policy" / name).unlink()
    empty = fedsight(data, "policy", "validate")
    assert "has no rule: everything is refused" in empty.stderr
    back = fedsight(data, "policy", "rollback", "1")
    assert back.returncode == 0, back.stderr
    assert texts.keys() <= {one.name for one in (data / "policy").iterdir()}
