"""What settings say of a bridge."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsight.cli.bridge import bridge_options
from fedsight.config import load
from fedsight.errors import UsageError
from tests.cli.command import fedsight


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FEDSIGHT_DATA", str(tmp_path))


def set_to(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(f"[bridge]\n{text}\n")
    return path


def test_rows_go_to_a_collector_here_and_minutes_to_one_elsewhere(tmp_path: Path) -> None:
    assert bridge_options(load()).forward == "rows"
    (tmp_path / "secret").write_text("abc\n")
    there = 'collector_url = "https://collector.example:8083"\ncollector_token_file = "secret"'
    options = bridge_options(load(set_to(tmp_path, there)))
    assert (options.forward, options.upstream.token) == ("minutes", "abc")
    assert "abc" not in repr(options)
    assert bridge_options(load(), forward="nothing").forward == "nothing"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('collector_url = "http://c.example"', "needs bridge.collector_token_file"),
        (
            'collector_url = "https://c.example"\ncollector_token_file = "none"',
            "cannot read the token file",
        ),
        (
            'collector_url = "http://c.example"\ncollector_token_file = "none"',
            "must be https",
        ),
        ('tls_cert = "a.pem"', "go together"),
        ('forward = "some"', "must be one of auto, nothing, minutes, rows"),
        ('labels = ["a b"]', "bridge.labels"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        bridge_options(load(set_to(tmp_path, text)))


@pytest.mark.slow
def test_a_wrong_choice_starts_nothing(tmp_path: Path) -> None:
    done = fedsight(tmp_path, "serve", "bridge", "--forward", "some")
    assert done.returncode == 2
    assert "bridge.forward must be one of nothing, minutes, rows, got 'some'" in done.stderr
