"""The agent as a process: bridges and targets that go away, kill -9, Ctrl-C, two of one node."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.command import fedsight
from tests.telemetry.agent.agents import agent
from tests.telemetry.agent.receiver import Receiver, receiving
from tests.telemetry.agent.target import Target, exposed

pytestmark = pytest.mark.slow


def until(so: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not so():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)


def loads(receiver: Receiver) -> list[float]:
    """The gauge's values as they arrived: each is the number of its scrape."""
    return [row[5] for row in receiver.rows() if row[2] == "load"]


def test_what_is_scraped_arrives_with_its_names(tmp_path: Path) -> None:
    receiver, target = Receiver(), Target()
    with (
        receiving(receiver) as bridge,
        exposed(target) as page,
        agent(tmp_path / "data", page, bridge) as running,
    ):
        receiver.wait(lambda: len(receiver.rows()) >= 20)
        figures = running.figures()
        assert running.interrupt() == 0
    rows = receiver.rows()
    assert {row[:4] for row in rows} == {
        ("node-1", "scaphandre-metrics", "load", ()),
        ("node-1", "scaphandre-metrics", "energy_microjoules", (("value_source", "rapl"),)),
    }
    assert figures['target_up{target="scaphandre-metrics"}'] == 1
    assert figures['scrapes_total{target="scaphandre-metrics"}'] >= 10
    # Ctrl-C sent what still waited.
    assert loads(receiver) == [float(n) for n in range(1, target.scrapes + 1)]
    assert receiver.doubled() == 0


def test_a_bridge_away_for_an_hour_and_kill_9_lose_nothing(tmp_path: Path) -> None:
    """1,200 scrapes, as many as an hour has at one every 3 s, here of many targets; the agent is
    killed in the middle."""
    receiver, target = Receiver(), Target()
    with receiving(receiver) as bridge:
        port = int(bridge.rpartition(":")[2])
    data = tmp_path / "data"
    pace = {"FEDSIGHT_AGENT_INTERVAL_SECONDS": "0.1", "FEDSIGHT_AGENT_BATCH_SECONDS": "0.2"}
    names = [f"target-{number}" for number in range(16)]
    with exposed(target) as page:
        more = {"FEDSIGHT_AGENT_TARGETS": ",".join(f"{name}={page}" for name in names), **pace}
        with agent(data, page, bridge, **more) as running:
            until(lambda: target.scrapes >= 600, 60)
            assert running.figures()['send_failures_total{code="UNAVAILABLE"}'] >= 1
            running.kill()
        with agent(data, page, bridge, **more) as running:
            until(lambda: target.scrapes >= 1200, 60)
            # Of each target a look may have been cut off, and one may be under way now.
            assert running.figures()["queue_scrapes"] >= 1200 - 2 * len(names)
            with receiving(receiver, port):
                receiver.wait(lambda: len(loads(receiver)) >= 1200, 30)
                assert running.interrupt() == 0
                written = set(loads(receiver))
    # A scrape that the target answered as the agent was killed was not yet written.
    missing = set(range(1, target.scrapes + 1)) - {int(each) for each in written}
    assert len(missing) <= len(names)
    assert receiver.doubled() == 0


def test_ctrl_c_keeps_on_disk_what_the_bridge_does_not_take(tmp_path: Path) -> None:
    target = Target()
    with receiving(Receiver()) as nobody:
        pass
    with exposed(target) as page, agent(tmp_path / "data", page, nobody) as running:
        until(lambda: target.scrapes >= 5)
        began = time.monotonic()
        assert running.interrupt() == 0
        assert time.monotonic() - began < 8
    running.finish()
    assert "points wait on disk for the next start" in running.said
    assert "the bridge does not take what was scraped" in running.said


def test_ctrl_c_does_not_wait_for_a_bridge_that_hangs(tmp_path: Path) -> None:
    hanging, target = threading.Event(), Target()

    def hang(_: object, __: object) -> None:
        hanging.wait(30)

    receiver = Receiver(hang)
    with receiving(receiver) as bridge, exposed(target) as page:
        with agent(tmp_path / "data", page, bridge) as running:
            until(lambda: target.scrapes >= 3)
            began = time.monotonic()
            assert running.interrupt() == 0
            assert time.monotonic() - began < 8
        hanging.set()
    assert "points wait on disk for the next start" in running.said


def test_a_full_disk_is_told_and_what_was_written_stays(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk; it is lifted again."""
    with receiving(Receiver()) as nobody:
        pass
    receiver, target = Receiver(), Target()
    unwritten = 'unwritten_scrapes_total{target="scaphandre-metrics"}'
    port = int(nobody.rpartition(":")[2])
    with exposed(target) as page, agent(tmp_path / "data", page, nobody) as running:
        until(lambda: running.figures()["queue_scrapes"] >= 3)
        pid = running.process.pid
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (8192, before[1]))
        until(lambda: running.figures()[unwritten] >= 2)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
        lost = target.scrapes
        with receiving(receiver, port):
            receiver.wait(lambda: max(loads(receiver), default=0) > lost)
            assert running.interrupt() == 0
    assert loads(receiver)[:3] == [1.0, 2.0, 3.0]
    assert len(loads(receiver)) < target.scrapes
    assert "cannot write the agent's queue" in running.said


def test_two_agents_of_one_node_are_told(tmp_path: Path) -> None:
    with receiving(Receiver()) as bridge, exposed(Target()) as page:
        data = tmp_path / "data"
        with agent(data, page, bridge):
            second = fedsight(data, "serve", "agent", "--port", "0", FEDSIGHT_AGENT_NODE="node-1")
    assert second.returncode == 1
    assert "another agent is running with the queue" in second.stderr
    assert "agent.queue" in second.stderr


def test_a_target_away_is_counted_and_nothing_invented(tmp_path: Path) -> None:
    receiver, target = Receiver(), Target()
    target.status = 503
    failures = 'scrape_failures_total{target="scaphandre-metrics"}'
    with (
        receiving(receiver) as bridge,
        exposed(target) as page,
        agent(tmp_path / "data", page, bridge) as running,
    ):
        until(lambda: running.figures()[failures] >= 2)
        assert running.figures()['target_up{target="scaphandre-metrics"}'] == 0
        assert running.figures()["queue_scrapes"] == 0
        target.status = 200
        receiver.wait(lambda: len(receiver.rows()) >= 2)
        assert running.interrupt() == 0
    running.finish()
    assert "answers with status 503" in running.said
    assert "answers again after" in running.said


def test_settings_that_do_not_go_together_are_told(tmp_path: Path) -> None:
    done = fedsight(tmp_path / "data", "serve", "agent", FEDSIGHT_AGENT_TLS_CA="ca.pem")
    assert done.returncode == 2
    assert "agent.tls_ca needs an agent.endpoint with https://" in done.stderr


def test_an_authority_that_is_none_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    command = ("serve", "agent", "--port", "0", "--endpoint", "https://127.0.0.1:1")
    named = str(tmp_path / "ca.pem")
    done = fedsight(tmp_path / "data", *command, FEDSIGHT_AGENT_TLS_CA=named)
    assert done.returncode == 2
    assert "ca.pem holds no certificate" in done.stderr
    assert "Traceback" not in done.stderr
