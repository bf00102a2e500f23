"""What `fedsight policy` prints of texts that others wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsight.cli.policy_options import either, print_table
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
