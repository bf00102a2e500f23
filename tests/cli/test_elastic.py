"""What the settings say of Elasticsearch, and a collector that sends there."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from fedsight.cli.elastic import authorization, search_server
from fedsight.config import ElasticsearchSettings, load
from fedsight.errors import SettingsError
from tests.cli.command import fedsight, line_with, started
from tests.collector.export.search_server import SearchStub


def settings(tmp_path: Path, text: str) -> ElasticsearchSettings:
    file = tmp_path / "fedsight.toml"
    file.write_text(f"[elasticsearch]\n{text}\n")
    return load(file).elasticsearch


def test_nothing_is_sent_unless_an_address_is_set(tmp_path: Path) -> None:
    (tmp_path / "fedsight.toml").write_text("")
    assert search_server(load(tmp_path / "fedsight.toml")) is None


def test_a_key_or_a_user_with_a_password_say_who_we_are(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a2V5\n")
    assert authorization(settings(tmp_path, f'api_key_file = "{tmp_path}/key"')) == "ApiKey a2V5"
    said = authorization(settings(tmp_path, 'user = "me"\npassword = "pass"'))
    assert said == "Basic bWU6cGFzcw=="
    assert authorization(ElasticsearchSettings()) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('user = "me"', r"needs elasticsearch\.password_file"),
        ('user = "me"\npassword = "x"\napi_key = "k"', "not both"),
        ('api_key = "k"\napi_key_file = "f"', "not both"),
        ('api_key_file = "absent"', r"cannot read elasticsearch\.api_key_file absent"),
        ('api_key = "a\\nb"', "one line"),
    ],
)
def test_what_makes_no_sense_is_said_without_the_secret(
    tmp_path: Path, text: str, why: str
) -> None:
    with pytest.raises(SettingsError, match=why) as refused:
        authorization(settings(tmp_path, text))
    assert "a\nb" not in str(refused.value)


def test_secrets_do_not_show(tmp_path: Path) -> None:
    found = settings(tmp_path, 'api_key = "hidden"')
    assert found.api_key == SecretStr("hidden")
    assert "hidden" not in repr(found)


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("ELASTICSEARCH_URL", "ftp://x", "must be an address"),
        ("ELASTICSEARCH_URL", "http://169.254.169.254/", "link-local"),
        ("ELASTICSEARCH_URL", "http://me:pass@localhost:9200", "must be an address"),
    ],
)
@pytest.mark.slow
def test_an_address_that_is_none_stops_the_collector(
    tmp_path: Path, variable: str, value: str, why: str
) -> None:
    done = fedsight(tmp_path / "data", "serve", "collector", "--port", "0", **{variable: value})
    assert done.returncode == 2
    assert why in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_killed_collector_loses_and_doubles_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with SearchStub() as stub:
        where = {"ELASTICSEARCH_URL": stub.url, "ELASTICSEARCH_API_KEY": "sesame"}
        stub.faults = [(503, {}, ""), "drop after"]
        for _ in range(2):
            with started(data, "serve", "collector", "--port", "0", **where) as serving:
                line_with(serving, "listening on")
                sent = len(stub.bodies)
                until = time.monotonic() + 30
                while len(stub.bodies) == sent and time.monotonic() < until:
                    time.sleep(0.01)
                os.kill(serving.pid, signal.SIGKILL)
                _, said = serving.communicate(timeout=30)
                assert "sesame" not in said
        with started(data, "serve", "collector", "--port", "0", **where) as serving:
            line_with(serving, "listening on")
            time.sleep(4)
            serving.send_signal(signal.SIGTERM)
            serving.communicate(timeout=30)
        ids = sorted(document["id"] for document in stub.docs.values())
    assert ids == list(range(1, len(ids) + 1))
    assert len(ids) == stub.created >= 2
    assert {each["authorization"] for each in stub.headers} == {"ApiKey sesame"}
