"""`fedsight login` against a real collector."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.cli.command import fedsight, line_with, started

pytestmark = pytest.mark.slow


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def url(data: Path) -> Iterator[str]:
    process = started(data, "serve", "collector", "--port", "0")
    yield line_with(process, "listening on").split()[-1]
    process.terminate()
    process.communicate(timeout=20)


def test_it_prints_an_address_that_logs_one_browser_in_once(data: Path, url: str) -> None:
    port = url.rpartition(":")[2]
    done = fedsight(data, "login", "--port", port)
    assert (done.returncode, done.stderr) == (0, "")
    address = done.stdout.strip()
    assert re.fullmatch(rf"{re.escape(url)}/login\?code=[\w-]{{40,}}", address)
    with httpx.Client(trust_env=False) as browser:
        answer = browser.get(address)
        assert (answer.status_code, browser.get(address).status_code) == (303, 401)
    again = json.loads(fedsight(data, "login", "--port", port, "--json").stdout)["address"]
    assert again != address


def test_without_a_collector_it_says_what_starts_one(data: Path) -> None:
    done = fedsight(data, "login", "--port", "1")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "fedsight: no collector answers at 127.0.0.1:1;"
        " `fedsight run` or `fedsight serve collector` starts one\n"
    )


def test_the_token_goes_to_no_collector_of_another_data_directory(
    data: Path, url: str, tmp_path: Path
) -> None:
    port = url.rpartition(":")[2]
    done = fedsight(tmp_path / "other", "login", "--port", port)
    assert done.returncode == 1
    assert "another data directory" in done.stderr


def test_beyond_loopback_the_collector_prints_addresses_itself(data: Path) -> None:
    done = fedsight(data, "login", COLLECTOR_HOST="10.0.0.5")
    assert done.returncode == 1
    assert "it prints an address of its own" in done.stderr
