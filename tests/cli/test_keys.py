"""`fedsight keys` as a person meets it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.cli.command import fedsight

pytestmark = pytest.mark.slow


def fingerprint(output: str) -> str:
    (line,) = [line for line in output.splitlines() if line.startswith("fingerprint:")]
    return line.split()[1]


def test_a_key_is_made_shown_and_not_overwritten(tmp_path: Path) -> None:
    data, key = tmp_path / "data", tmp_path / "keys" / "a"
    made = fedsight(data, "keys", "new", str(key))
    assert made.returncode == 0, made.stderr
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    shown = [fedsight(data, "keys", "show", str(path)).stdout for path in (key, f"{key}.pub")]
    assert shown[0] == shown[1]
    assert fingerprint(shown[0]) == fingerprint(made.stdout)
    again = fedsight(data, "keys", "new", str(key))
    assert again.returncode == 2
    assert again.stderr == (
        f"fedsight: {key} is there already: choose another path, or say --force\n"
    )
    forced = fedsight(data, "keys", "new", str(key), "--force")
    assert forced.returncode == 0
    assert fingerprint(forced.stdout) != fingerprint(made.stdout)


def test_without_a_path_it_lies_in_the_data_directory(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert fedsight(data, "keys", "new").returncode == 0
    assert (data / "keys" / "node-key").is_file()
    assert (data / "keys" / "node-key.pub").is_file()
