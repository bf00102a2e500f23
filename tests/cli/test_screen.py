"""What a person reads of a run."""

from __future__ import annotations

import re

import pytest

from fedsight.cli import screen
from fedsight.cli.options import duration, figure, size
from fedsight.cli.screen import Screen
from fedsight.federated.plan import Plan
from fedsight.federated.training import Outcome, RoundReport

REPORT = RoundReport(3, 20, 1.618, 0.31239, 0.912, 9, 10, ("client-4: out of memory",), 4_567_890)


def test_a_row_stands_under_its_heading() -> None:
    row = screen.row(REPORT)
    assert row.split() == ["3", "0.3124", "0.9120", "9/10", "1.62", "4.6", "MB"]
    assert len(row) == len(screen.heading())


def test_what_is_not_known_is_said_so() -> None:
    unknown = RoundReport(1, 1, 0.5, None, None, 0, 2, (), 0)
    assert screen.row(unknown).split() == ["1", "unknown", "unknown", "0/2", "0.50", "0", "B"]


def test_failures_are_told_with_their_message_and_counted_when_many() -> None:
    assert screen.failures(REPORT) == ["  round 3: client-4: out of memory"]
    many = RoundReport(3, 20, 1, 1, 1, 0, 9, tuple(f"client-{at}: x" for at in range(9)), 0)
    assert screen.failures(many)[-1] == "  round 3: and 4 more"
    assert len(screen.failures(many)) == 6


def test_a_summary_says_how_and_why_a_run_ended() -> None:
    outcome = Outcome("r-1", "failed", "disk full", 2, None, None, 61.0, 1500, 999, None)
    assert screen.summary(outcome) == (
        "r-1 failed (disk full) after 2 rounds in 1 min 01 s: accuracy unknown, loss unknown;"
        " payload 1.5 kB up, 999 B down"
    )


def test_a_plan_is_one_line() -> None:
    assert screen.planned(Plan(fraction=0.25)) == (
        "mnist: 10 nodes, dirichlet(0.5), rounds: 20 of 25% nodes, local epochs: 5"
    )


def test_without_a_terminal_there_is_a_line_a_round_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Screen().rounds(20) as show:
        show(REPORT)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [screen.heading(), screen.row(REPORT), "  round 3: client-4: out of memory"]


def test_text_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(stderr=True).say("[bold]x[/bold] :smile: 3")
    assert capsys.readouterr().err == "[bold]x[/bold] :smile: 3\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (duration(1.618), "1.62 s"),
        (duration(125), "2 min 05 s"),
        (duration(3 * 3600 + 7 * 60), "3 h 07 min"),
        (duration(None), "unknown"),
        (size(999), "999 B"),
        (size(4_567_890), "4.6 MB"),
        (size(2e15), "2000.0 TB"),
        (figure(None), "unknown"),
    ],
)
def test_figures_as_text(text: str, expected: str) -> None:
    assert re.fullmatch(re.escape(expected), text)


def test_what_a_node_says_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().say("client-1: \x1b[2J\x1b]0;gone\x07\nand more\r")
    assert capsys.readouterr().out == "client-1: \ufffd[2J\ufffd]0;gone\ufffd\nand more\ufffd\n"
