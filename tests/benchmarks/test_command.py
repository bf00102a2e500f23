from __future__ import annotations

import json

import pytest

from benchmarks import command
from benchmarks.report import Findings, at_most
from fedsight.errors import FedsightError


def missed(quick: bool, say: command.Say) -> Findings:
    """Misses its target."""
    say("measuring")
    return Findings({"rounds": 1}, {"seconds": 2.0}, [at_most("seconds", 2.0, 1.0)])


def failing(quick: bool, say: command.Say) -> Findings:
    """Cannot measure."""
    raise FedsightError("the peer is not installed")


def test_json_is_alone_on_standard_output_and_progress_on_standard_error(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    assert command.run("toy", missed, ["--quick", "--json"]) == 0
    out, err = capfdbinary.readouterr()
    printed = json.loads(out)
    assert printed["name"] == "toy"
    assert printed["scale"] == {"quick": True, "rounds": 1}
    assert not printed["targets"][0]["met"]
    assert err == b"toy: measuring\n"


def test_a_missed_target_fails_only_where_asked_to_check(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert command.run("toy", missed, ["--quick"]) == 0
    assert command.run("toy", missed, ["--quick", "--check"]) == 1
    assert "seconds, at most" in capfd.readouterr().out


def test_what_cannot_be_measured_is_one_sentence_and_exit_code_1(
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert command.run("toy", failing, ["--quick", "--json"]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert err == "error: the peer is not installed\n"


def test_a_quick_run_is_not_kept() -> None:
    command.run("toy", missed, ["--quick", "--json"])
    assert not (command.RESULTS / "toy.json").exists()
