"""The token is made once, whoever begins first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fedsight.door.bearer import Bearer
from fedsight.door.token import created_once, token_of

MAKE = "import sys; from pathlib import Path; from fedsight.door.token import token_of;"
MAKE += "sys.stdin.read(1); print(token_of(Path(sys.argv[1])))"


def test_the_token_stays_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    token = token_of(tmp_path)
    assert len(token) >= 43
    assert token_of(tmp_path) == token
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["token"]


def test_processes_that_begin_at_once_have_one_token(tmp_path: Path) -> None:
    many = [
        subprocess.Popen(
            [sys.executable, "-c", MAKE, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    found = {one.communicate("x", timeout=30)[0].strip() for one in many}
    assert found == {token_of(tmp_path)}


def test_an_empty_file_is_filled_and_a_full_one_left(tmp_path: Path) -> None:
    file = tmp_path / "store-id"
    file.write_text("")
    assert created_once(file, "first") == "first"
    assert created_once(file, "second") == "first"


def test_a_bearer_knows_its_token_and_no_cookie() -> None:
    bearer = Bearer("secret")
    known = ["Bearer secret", "bearer  secret", "Bearer wrong", "Basic secret", "secret", ""]
    assert [bearer.knows_token(each) for each in known] == [True, True, False, False, False, False]
    assert bearer.knows_cookie("token=secret", 0.0) is False
