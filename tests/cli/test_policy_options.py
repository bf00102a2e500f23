"""What `fedsight policy` prints of texts that others wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsight.cli.policy_options import either, print_table, set_folder, there
from fedsight.errors import UsageError


def test_no_text_colours_or_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("who", "note"), [("anna", "see [/policy]"), ("\x1b[2J", "[red]x[/red]")])
    told = capsys.readouterr().out
    assert "see [/policy]" in told
    assert "[red]x[/red]" in told
    assert "\x1b[2J" not in told


def test_a_set_is_named_once() -> None:
    assert either(Path("a"), None) == either(None, Path("a")) == Path("a")
    assert either(None, None) is None
    with pytest.raises(UsageError, match="name one set"):
        either(Path("a"), Path("b"))


def test_names_are_not_cut_short_where_no_terminal_limits_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = "client.too-little-memory-and-more"
    print_table(("rule", "reason"), [(name, "word " * 60)])
    assert name in capsys.readouterr().out


def test_a_set_that_is_not_there_is_told_with_what_writes_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"fedsight policy init .*nowhere` writes one"):
        set_folder(tmp_path / "nowhere", None)
    with pytest.raises(UsageError, match="fedsight policy init` writes one"):
        there(tmp_path / "nowhere", usual=True)
