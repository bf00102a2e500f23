"""Settings of the exporter and the agent: a wrong one is a sentence that names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsight.config import AgentSettings, load
from fedsight.errors import SettingsError
from fedsight.telemetry.agent.bridge import Endpoint
from fedsight.telemetry.agent.options import Target

WRONG = {
    '[agent]\nnode = "../etc"': r"agent\.node in .* must be a name of at most 64 letters",
    "[agent]\ninterval_seconds = 0": r"must be a number from 0\.1 to 86400, got 0",
    '[agent]\nendpoint = "bridge:4317"': "must be an address without a path",
    "[agent]\ntargets = []": "1 to 64 tables with name, url",
    '[[agent.targets]]\nurl = "http://a/"\n[[agent.targets]]\nurl = "http://b/"': "names apart",
    '[[agent.targets]]\nurl = "file:///etc/passwd"': "1 to 64 tables",
    "[agent]\nqueue_bytes = 10": "at least 1048576",
    '[exporter]\npower = "magic"': "one of auto, rapl, model, none, got 'magic'",
    "[exporter]\nidle_watts = 70": "exporter\\.tdp_watts .* above exporter\\.idle_watts",
    "[exporter]\nprocesses = 1000": r"from 0 \(none\) to 100",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_setting_is_a_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / "fedsight.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=WRONG[text]):
        load(file)


def test_targets_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEDSIGHT_AGENT_TARGETS", "a=http://a:1/metrics, b=http://b/metrics?x=1")
    assert [(each.name, each.url) for each in AgentSettings().targets] == [
        ("a", "http://a:1/metrics"),
        ("b", "http://b/metrics?x=1"),
    ]


@pytest.mark.parametrize(
    "url",
    [
        *("localhost:4317", "ftp://bridge", "http://me:secret@bridge:4317", "https://b/path", ""),
        *("http://bridge:otlp", "http://bridge:99999", "http://bridge:0", "http://:4317"),
        "http://[::1",
    ],
)
def test_an_endpoint_of_the_command_line_is_checked_too(url: str) -> None:
    with pytest.raises(SettingsError, match=r"agent\.endpoint must be an address") as refused:
        Endpoint(url)
    assert "secret" not in str(refused.value)


def test_a_targets_token_is_a_setting(tmp_path: Path) -> None:
    file = tmp_path / "fedsight.toml"
    file.write_text('[[agent.targets]]\nurl = "https://a/"\ntoken_file = "/etc/token"\n')
    (target,) = load(file).agent.targets
    assert target.token_file == Path("/etc/token")


def test_a_targets_token_does_not_leave_this_machine_in_plain_text() -> None:
    for url in ("https://meter.example/", "http://127.0.0.1:1/", "http://[::1]/"):
        Target("meter", url, token_file=Path("token"))
    with pytest.raises(SettingsError, match=r"target meter would be sent.*https://"):
        Target("meter", "http://meter.example/metrics", token_file=Path("token"))
