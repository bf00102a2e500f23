"""Alerts as the configuration file and the environment say."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedsight.cli.alert_options import alert_options
from fedsight.collector.alerts.lifecycle import Holding
from fedsight.collector.alerts.options import AlertOptions, Webhook
from fedsight.config import load
from fedsight.errors import SettingsError

FILE = """
[alerts]
clear_seconds = 30
for_seconds = { network_latency_spike = 60 }
counts = { network_latency_spike = 3 }
alertmanager_urls = ["http://127.0.0.1:9093"]

[[alerts.webhooks]]
url = "https://hook.invalid/a?key=b"
severity = "critical"

[[alerts.rules]]
name = "disk_full"
metric = "host_disk_free_bytes"
labels = { node = "n1" }
aggregation = "min"
below = 1e9
for_seconds = 120
severity = "critical"
"""


def options(tmp_path: Path, text: str) -> AlertOptions:
    file = tmp_path / "fedsight.toml"
    file.write_text(text)
    return alert_options(load(file))


def test_a_file_says_it_all(tmp_path: Path) -> None:
    found = options(tmp_path, FILE)
    assert found.webhooks == (Webhook("https://hook.invalid/a?key=b", "critical"),)
    assert found.alertmanagers == ("http://127.0.0.1:9093",)
    assert found.holdings.of("network_latency_spike") == Holding(60, 3, 30)
    assert found.holdings.of("disk_full") == Holding(120, 1, 30)
    assert found.holdings.of("others") == Holding(0, 1, 30)
    rule = found.rules[0]
    assert rule.fires_when == (
        "the lowest host_disk_free_bytes (node n1) of the last 60 s is below 1,000,000,000"
        " for 120 s"
    )
    assert (rule.is_broken(9e8), rule.is_broken(1e9), rule.severity) == (True, False, "critical")


def test_nothing_said_is_nothing_sent(tmp_path: Path) -> None:
    assert options(tmp_path, "") == AlertOptions()


def test_the_environment_says_what_fits_on_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEDSIGHT_ALERTS_WEBHOOKS", "http://127.0.0.1:1/a, http://127.0.0.1:2/b")
    monkeypatch.setenv("FEDSIGHT_ALERTS_FOR_SECONDS", "anomaly=10,other=20")
    monkeypatch.setenv("FEDSIGHT_ALERTS_WEBHOOK_SECRET", "quiet")
    found = options(tmp_path, "")
    assert [hook.place for hook in found.webhooks] == ["http://127.0.0.1:1", "http://127.0.0.1:2"]
    assert found.holdings.of("other").seconds == 20
    assert found.webhook_secret == "quiet"


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("quiet\n")
    text = f'[alerts]\nwebhook_secret_file = "{tmp_path}/secret"\n'
    assert options(tmp_path, text).webhook_secret == "quiet"
    with pytest.raises(SettingsError, match="not both"):
        options(tmp_path, f'{text}webhook_secret = "loud"\n')
    with pytest.raises(SettingsError, match=r"cannot read alerts\.webhook_secret_file"):
        options(tmp_path, '[alerts]\nwebhook_secret_file = "nowhere"\n')


RULE = '[[alerts.rules]]\nname = "a"\nmetric = "m"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[alerts]\nwebhooks = ["http://169.254.169.254/latest"]', "alerts.webhooks: 169.254"),
        ('[alerts]\nwebhooks = ["http://u:p@127.0.0.1/"]', "alerts.webhooks in"),
        ('[alerts]\nwebhooks = ["ftp://a/SECRET"]', "alerts.webhooks in"),
        ('[alerts]\nalertmanager_urls = ["http://0.0.0.0:9093"]', "no address of a host"),
        (RULE, "'a' needs one of above and below"),
        (f"{RULE}above = 1\nbelow = 2", "'a' needs one of above and below"),
        (f"{RULE}above = nan", "alerts.rules in"),
        (f"{RULE}above = 1\nfor_seconds = -1", "alerts.rules in"),
        (f'{RULE}above = 1\naggregation = "median"', "alerts.rules in"),
        (f"{RULE}above = 1\n{RULE}above = 2", "names of their own"),
        ("[alerts]\ncounts = { a = 0 }", "alerts.counts in"),
        ("[alerts]\nkeeps = 1", "did you mean alerts.keep"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingsError) as caught:
        options(tmp_path, text)
    assert said in str(caught.value)
    assert "SECRET" not in str(caught.value)
