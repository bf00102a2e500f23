"""What a SuperLink elsewhere is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsight.cli.reach import Reach, linked


@pytest.mark.parametrize(
    ("superlink", "certificate", "named", "token"),
    [
        ("127.0.0.1:8000", False, False, "our own"),
        ("fl.example.org:8000", True, False, "our own"),
        ("fl.example.org:8000", False, False, None),
        ("127.example.org:8000", False, False, None),
        ("fl.example.org:8000", False, True, "theirs"),
    ],
)
def test_the_token_of_the_data_directory_is_not_sent_where_others_hear_it(
    tmp_path: Path, superlink: str, certificate: bool, named: bool, token: str | None
) -> None:
    (tmp_path / "token").write_text("our own\n")
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs\n")
    reach = Reach(
        superlink, tmp_path / "ca.crt" if certificate else None, theirs if named else None
    )
    assert linked(reach, tmp_path).place.token == token
