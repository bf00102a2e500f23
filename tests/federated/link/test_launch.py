"""A federation on one machine: real processes, killed, frozen, and left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fedsight.config import Settings, load
from fedsight.door.serving import listening
from fedsight.errors import FedsightError
from fedsight.federated.link.address import Address
from fedsight.federated.link.launch import Federation, hand_over, launched
from fedsight.federated.link.local import LocalPlan
from fedsight.federated.link.wire import RejectedError, Wire
from fedsight.federated.node.introduction import introduced
from fedsight.journal import orphans
from tests.federated.link.stock import app_bundle, question, submitted
from tests.federated.link.warm_nodes import CLIENT, app_source, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

APP = {"config": {"seconds": 0.0}, "files": app_source()}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return replace(load(), data=tmp_path / "data")


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def names(federation: Federation, count: int) -> dict[int, str]:
    """The nodes' ids and names, asked through a run of its own.

    A node that was killed a moment ago may have taken the question with it: it is asked again.
    """
    with submitted(federation.address, app_bundle(CLIENT, **APP)) as server:
        began = time.monotonic()
        while True:
            answers = server.ask_all(server.nodes(count, 60), "query", question)
            if not any(one.has_error() for one in answers) or time.monotonic() - began > 30:
                return {one.metadata.src_node_id: str(introduced(one)["name"]) for one in answers}


def test_a_federation_comes_up_serves_and_goes(settings: Settings) -> None:
    with launched(settings, 2, apps=True) as federation:
        assert sorted(names(federation, 2).values()) == ["client-0", "client-1"]
        assert federation.started()
        pids = dict(federation.pids)
        assert set(pids) == {"superlink", "client-0", "client-1"}
        began = time.monotonic()
    took = time.monotonic() - began
    assert not any(is_alive(pid) for pid in pids.values())
    assert took < 8
    logs = sorted(path.name for path in (settings.data / "logs").iterdir())
    assert logs == ["federation.log", "node-0.log", "node-1.log", "superlink.log"]
    assert "online as node" in (settings.data / "logs" / "node-0.log").read_text()


def test_what_is_killed_comes_back_as_the_same_node(settings: Settings) -> None:
    told: list[str] = []
    with launched(settings, 2, apps=True, tell=told.append) as federation:
        before = names(federation, 2)
        killed = federation.node_pid(0)
        federation.kill_node(0)
        until(lambda: federation.node_pid(0) not in {0, killed}, 30)
        assert names(federation, 2) == before
        old = federation.pids["superlink"]
        federation.kill_superlink()
        until(lambda: federation.pids.get("superlink", old) != old, 30)
        assert sorted(names(federation, 2).values()) == ["client-0", "client-1"]
    assert told[0] == "node client-0 ended by itself (signal 9); it is started again"
    assert told[-1].startswith("the SuperLink ended by itself (signal 9)")


def test_what_is_killed_stays_dead_where_that_is_asked(settings: Settings) -> None:
    with launched(settings, 2, apps=True, again=False) as federation:
        names(federation, 2)
        pid = federation.node_pid(1)
        federation.kill_node(1)
        until(lambda: federation.node_pid(1) == 0)
        time.sleep(1.0)
        assert federation.node_pid(1) == 0
        assert not is_alive(pid)
        with pytest.raises(FedsightError, match="client-1 is not running"):
            federation.kill_node(1)


def test_a_frozen_node_does_not_keep_a_federation_from_ending(settings: Settings) -> None:
    with launched(settings, 1, apps=True) as federation:
        names(federation, 1)
        pid = federation.node_pid(0)
        federation.kill_node(0, signal.SIGSTOP)
        began = time.monotonic()
    assert time.monotonic() - began < 12
    assert not is_alive(pid)


def test_a_taken_port_is_told_in_one_sentence(settings: Settings) -> None:
    with listening("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(FedsightError, match=f"port {port} on 127.0.0.1 is in use"),
            launched(settings, 1, port=port),
        ):
            pass


def test_whom_its_superlink_turns_away_is_journaled(settings: Settings) -> None:
    with (
        launched(settings, 1) as federation,
        closing(Wire(Address.of(federation.address), None)) as wire,
        pytest.raises(RejectedError),
    ):
        wire.post("/v1/fleet/pull-messages", b"", dict)
    kept = [
        event
        for journal in orphans(settings.journals)
        for record in journal.read(0, 10, 10**6)
        for event in record.batch.events
    ]
    assert [(event.source, event.kind) for event in kept] == [("superlink", "NODE_REFUSED")]
    assert kept[0].details["path"] == "/v1/fleet/pull-messages"


def test_a_process_that_dies_at_once_is_told_with_its_log(tmp_path: Path) -> None:
    plan = LocalPlan(str(tmp_path), "INFO", ("client-0",), 0)
    command = [sys.executable, "-S", "-c", "raise SystemExit(3)"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as child:
        child.wait()
        with pytest.raises(FedsightError) as caught:
            hand_over(child, plan)
    assert str(caught.value) == (
        "the federation did not start: its process ended at once (exit code 3);"
        f" see {tmp_path}/logs/federation.log"
    )


LAUNCHER = """
import dataclasses, sys, time
from pathlib import Path
from fedsight.config import load
from fedsight.federated.link.launch import launched
settings = dataclasses.replace(load(), data=Path(sys.argv[1]))
with launched(settings, 2) as federation:
    assert federation.started()
    print(*federation.pids.values(), flush=True)
    time.sleep(600)
"""


def test_a_federation_ends_with_whoever_started_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LAUNCHER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pids = [int(word) for word in process.stdout.readline().split()]
        assert len(pids) == 3
        process.kill()
        process.wait()
        until(lambda: not any(is_alive(pid) for pid in pids), 20)
