"""What commands without a collector name their files."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsight.cli.stored import file_of


@pytest.mark.parametrize(
    ("run", "name"),
    [
        ("r-3fa9c01b", "r-3fa9c01b.zip"),
        ("digits_1.2", "digits_1.2.zip"),
        ("r-1/../../etc/cron", "r-1-..-..-etc-cron.zip"),
        ("/etc/passwd", "-etc-passwd.zip"),
        ("..", "run.zip"),
        (".bashrc", "bashrc.zip"),
        ("-rf", "-rf.zip"),
        ("a\n\x1b[2J\u202e", "a---2J-.zip"),
    ],
)
def test_a_file_named_after_a_run_stays_in_its_folder(run: str, name: str) -> None:
    assert file_of(run, ".zip") == Path(name)


def test_a_long_id_makes_a_name_that_a_file_may_have(tmp_path: Path) -> None:
    (tmp_path / file_of("r" * 256, ".data.zip")).touch()
