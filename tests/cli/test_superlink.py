"""`fedsight serve superlink` as a process: its first line, and what becomes of refusals."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from subprocess import Popen

import pytest

from fedsight.federated.link.address import Address
from fedsight.federated.link.caller import Place
from fedsight.federated.link.fleet_client import FleetClient, RefusedError
from fedsight.federated.link.grid import LinkGrid
from fedsight.federated.link.identity import Identity, fresh
from fedsight.federated.link.wire import Wire
from fedsight.journal import orphans
from tests.cli.command import fedsight, line_with, started

pytestmark = pytest.mark.slow

LISTENING = "listening on "


@contextmanager
def serving(data: Path, *arguments: str, **more: str) -> Iterator[tuple[Popen[str], str]]:
    """A service and its URL; ended as Ctrl-C ends it."""
    process = started(data, "serve", *arguments, **more)
    try:
        yield process, line_with(process, LISTENING).removeprefix(LISTENING).strip()
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
        assert process.returncode == 0, said
        assert "Traceback" not in said


def turned_away(url: str) -> Identity:
    """A stranger that tried."""
    identity = fresh()
    with (
        closing(Wire(Address.of(url.removeprefix("http://")), None)) as wire,
        pytest.raises(RefusedError),
    ):
        FleetClient(wire, identity).join()
    return identity


def test_it_takes_runs_until_it_is_stopped(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with (
        serving(data, "superlink", "--port", "0") as (_, url),
        LinkGrid(Place(Address.of(url.removeprefix("http://"))), {}) as grid,
    ):
        assert grid.get_node_ids() == []
    assert (data / "token").stat().st_mode & 0o777 == 0o600
    assert not list(data.glob("journals/superlink-*.sqlite"))  # nobody was refused


def test_a_refusal_waits_in_a_journal_where_no_collector_is(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(data, "superlink", "--port", "0", "--node-auth", COLLECTOR_PORT="1") as (_, url):
        identity = turned_away(url)
    events = [
        event
        for journal in orphans(data / "journals")
        for record in journal.read(0, 10, 10**6)
        for event in record.batch.events
    ]
    (event,) = events
    assert (event.source, event.kind, event.run, event.node) == (
        "superlink",
        "NODE_REFUSED",
        None,
        None,
    )
    assert event.details["key"] == identity.fingerprint
    assert event.details["reason"] == "unknown or revoked key"
    assert event.details["address"] == "127.0.0.1"


def test_a_collector_of_the_same_data_learns_of_it_at_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(data, "collector", "--port", "0") as (_, collector):
        port = collector.rsplit(":", 1)[1]
        with serving(data, "superlink", "--port", "0", "--node-auth", COLLECTOR_PORT=port) as (
            _,
            url,
        ):
            identity = turned_away(url)
            deadline = time.monotonic() + 20
            while not (found := refused_keys(data)):
                assert time.monotonic() < deadline
                time.sleep(0.1)
    assert found == [identity.fingerprint]


def refused_keys(data: Path) -> list[str]:
    """Those in the collector's store."""
    with closing(sqlite3.connect(f"file:{data / 'collector.sqlite'}?mode=ro", uri=True)) as store:
        rows = store.execute("SELECT details FROM events WHERE kind = 'NODE_REFUSED'").fetchall()
    return [json.loads(details)["key"] for (details,) in rows]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--tls-cert", "a.pem"], "--tls-cert and --tls-key go together"),
        (["--tls-cert", "a.pem", "--tls-key", "a.key"], "cannot read a.pem"),
        (["--token-file", "none"], "cannot read the token file none"),
        (["--host", "0.0.0.0", "--node-auth"], "node authentication at 0.0.0.0 needs TLS"),
        (["--database", "no/such/place.db"], "database must be a file in a directory"),
        (["--port", "70000"], "--port"),
    ],
)
def test_a_wrong_flag_is_one_sentence(tmp_path: Path, arguments: list[str], said: str) -> None:
    ended = fedsight(tmp_path / "data", "serve", "superlink", "--port", "0", *arguments)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
