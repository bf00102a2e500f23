"""`fedsight alerts` against a real collector in which something is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedsight.cli.alerts import matcher_of, seconds_of
from fedsight.door.times import now_ns
from fedsight.errors import UsageError
from fedsight.signals import Sample, batch
from tests.cli.command import fedsight
from tests.collector.server import Server
from tests.security.fuzzing import wait_for_alert

RULE = {"name": "deep", "metric": "queue_depth", "above": 1000.0, "window_seconds": 3600.0}


@pytest.fixture(scope="module")
def wrong(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("wrong")
    with Server(data, alerts={"rules": [RULE], "rule_seconds": 0.2}) as server:
        server.send("j", [batch([Sample(now_ns(), "queue_depth", 2e6, labels={"run": "r-1"})])])
        wait_for_alert(server.http)
        yield server


def said(server: Server, *words: str) -> str:
    port = server.url.rpartition(":")[2]
    flags = () if words[0] in ("list", "silences") else ("--port", port)
    done = fedsight(server.data, "alerts", *words, *flags)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_alerts_are_listed_seen_and_silenced(wrong: Server) -> None:
    listed = said(wrong, "list", "--state", "firing")
    assert "latest queue_depth (run r-1) is 2,000,000, above 1,000" in listed
    found = json.loads(said(wrong, "list", "--json"))
    assert (found["total"], found["alerts"][0]["type"]) == (1, "deep")
    assert said(wrong, "ack", "1", "--by", "ann").startswith("alert 1 acknowledged by ann: latest")
    assert "ann" in said(wrong, "list")
    made = said(wrong, "silence", "run=r-1", "type=~de.*", "--for", "2h", "--comment", "known")
    assert made.startswith("silence 1 until ")
    assert "run=r-1 type=~de.*" in said(wrong, "silences")
    assert json.loads(said(wrong, "list", "--json"))["alerts"][0]["silence"] == 1
    assert said(wrong, "unsilence", "1") == "silence 1 ended\n"
    assert json.loads(said(wrong, "list", "--json"))["alerts"][0]["silence"] is None
    assert said(wrong, "list", "--run", "r-2") == "no alerts\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["ack", "99"], "the collector refused: there is no alert 99"),
        (["silence", "run=r", "--for", "400d"], "--for must be a time such as"),
        (["silence", "run"], "a matcher is LABEL=VALUE"),
        (["silence", "type!=x"], "must not all match an alert without labels"),
        (["list", "--state", "odd"], "state must be pending, firing or resolved"),
    ],
)
def test_what_cannot_be_is_one_sentence(wrong: Server, words: list[str], told: str) -> None:
    port = [] if words[0] == "list" else ["--port", wrong.url.rpartition(":")[2]]
    done = fedsight(wrong.data, "alerts", *words, *port)
    assert done.returncode in (1, 2)
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_collector_nothing_is_changed(tmp_path: Path) -> None:
    done = fedsight(tmp_path / "data", "alerts", "ack", "1", "--port", "1")
    assert done.returncode == 1
    assert "no collector answers" in done.stderr


def test_times_and_matchers() -> None:
    assert [seconds_of(text) for text in ("30m", "1.5h", "1d", "90s")] == [1800, 5400, 86_400, 90]
    assert matcher_of("a=~b=c") == {"label": "a", "op": "=~", "value": "b=c"}
    assert matcher_of("a!=") == {"label": "a", "op": "!=", "value": ""}
    for wrong in ("", "=b", "1a=b"):
        with pytest.raises(UsageError):
            matcher_of(wrong)
    for wrong in ("", "1", "0s", "m", "-1h", "1w"):
        with pytest.raises(UsageError):
            seconds_of(wrong)
