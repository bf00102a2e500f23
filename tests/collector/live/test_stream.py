from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from fedsight.collector.live.messages import cursor_of, event_before
from fedsight.signals import Batch, Event
from tests.collector.server import Server
from tests.collector.shipments import START, ended, started, trained, whole_run

ALL = ["fl_training", "network_performance", "policy_events", "system_events"]


@contextmanager
def watching(server: Server, **asked: Any) -> Iterator[ClientConnection]:
    with connect(server.ws_url, proxy=None, compression=None) as socket:
        subscribed = ask(socket, action="subscribe", **{"streams": ALL, **asked})
        assert subscribed["type"] == "subscribed"
        yield socket


def ask(socket: ClientConnection, **message: Any) -> Any:
    socket.send(json.dumps(message))
    return receive(socket)


def receive(socket: ClientConnection) -> Any:
    return json.loads(socket.recv(timeout=10))


def kinds(messages: list[Any]) -> list[str]:
    return [m["event"]["kind"] if m["type"] == "event" else m["type"] for m in messages]


STORY = ["run_update", "RUN_STARTED", "ROUND_STARTED", "fl_round_update", "ROUND_COMPLETED"]


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path) as running:
        yield running


def test_a_watcher_sees_a_run_as_it_happens(fresh: Server) -> None:
    with watching(fresh) as socket:
        fresh.send("j", [started("r-1", ["a"]), trained("r-1", 1, ["a"])])
        seen = [receive(socket) for _ in range(5)]
    assert kinds(seen) == STORY
    assert [m["cursor"] for m in seen] == sorted({m["cursor"] for m in seen})
    assert (seen[0]["run"], seen[0]["state"]) == ("r-1", "training")
    assert seen[3]["metrics"] == fresh.get("/api/v1/runs/r-1/rounds")["rounds"][0]


def test_replay_from_any_cursor_gives_what_follows_even_after_a_restart(tmp_path: Path) -> None:
    with Server(tmp_path) as first, watching(first) as socket:
        first.send("j", [started("r-1", ["a"]), trained("r-1", 1, ["a"])])
        seen = [receive(socket) for _ in range(5)]
    with Server(tmp_path) as second:
        for at, message in enumerate(seen):
            with watching(second, cursor=message["cursor"]) as socket:
                second.send("end", [Batch()])
                rest = [receive(socket) for _ in seen[at + 1 :]]
                assert rest == seen[at + 1 :]


def test_replay_runs_into_what_is_live_without_gap_or_repeat(fresh: Server) -> None:
    fresh.send("j", [started("r-1", ["a"], rounds=700)])
    rounds = [trained("r-1", n, ["a"]) for n in range(1, 601)]
    fresh.send("j", rounds, first_seq=2)
    with watching(fresh, cursor=0, streams=["fl_training"]) as socket:
        fresh.send("j", [ended("r-1")], first_seq=602)
        seen = [receive(socket) for _ in range(2 + 600 * 3 + 2)]
    cursors = [m["cursor"] for m in seen]
    assert cursors == sorted(set(cursors))
    assert [m["metrics"]["round"] for m in seen if m["type"] == "fl_round_update"] == [
        *range(1, 601)
    ]
    assert kinds(seen)[-2:] == ["run_update", "RUN_ENDED"]


def test_a_subscription_to_one_run_gets_no_other(fresh: Server) -> None:
    with watching(fresh, run="r-2") as socket:
        fresh.send("j", whole_run("r-1", ["a"]))
        fresh.send("k", whole_run("r-2", ["a"]))
        seen = [receive(socket) for _ in range(10)]
    assert {m["run"] if "run" in m else m["event"]["run"] for m in seen} == {"r-2"}


def test_streams_are_told_apart_and_left(fresh: Server) -> None:
    said = Batch(events=[Event(START, "policy", "DENIED", details={"rule": "max_size"})])
    with watching(fresh, streams=["policy_events", "fl_training"]) as socket:
        left = ask(socket, action="unsubscribe", streams=["fl_training"])
        assert left["streams"] == ["policy_events"]
        fresh.send("j", whole_run("r-1", ["a"]))
        fresh.send("p", [said])
        seen = receive(socket)
    assert seen["event"]["details"] == {"rule": "max_size"}


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ("{", None),
        ('{"action": "dance"}', "action"),
        ('{"action": "subscribe"}', "streams"),
        ('{"action": "subscribe", "streams": ["gossip"]}', "streams[0]"),
        ('{"action": "subscribe", "streams": ["fl_training"], "cursor": -1}', "cursor"),
    ],
)
def test_what_is_not_understood_is_answered_and_the_connection_stays(
    server: Server, sent: str, field: str | None
) -> None:
    with connect(server.ws_url, proxy=None) as socket:
        socket.send(sent)
        answer = receive(socket)
        assert (answer["type"], answer["error"].get("field")) == ("error", field)
        assert ask(socket, action="subscribe", streams=ALL)["type"] == "subscribed"


def test_a_reader_that_is_too_slow_is_told_and_closed(tmp_path: Path) -> None:
    with Server(tmp_path, stream_queue=20) as running:
        # It takes nothing in until all is sent: its window and the queue fill.
        with connect(running.ws_url, proxy=None, compression=None, max_queue=1) as socket:
            ask(socket, action="subscribe", streams=ALL)
            noise = [
                Event(START, "federated", "ROUND_STARTED", "r-1", n, details={"x": "y" * 20_000})
                for n in range(500)
            ]
            for at in range(0, 500, 100):
                running.send("j", [Batch(events=noise[at : at + 100])], first_seq=at // 100 + 1)
            seen: list[Any] = []
            with suppress(ConnectionClosed):
                while True:
                    seen.append(receive(socket))
        assert seen[-1]["type"] == "lagging"
        last = max(m["cursor"] for m in seen[:-1]) if len(seen) > 1 else 0
        with watching(running, cursor=last) as socket:
            assert receive(socket)["cursor"] > last


def test_a_compressed_connection_gets_the_same(fresh: Server) -> None:
    with watching(fresh) as plain, connect(fresh.ws_url, proxy=None) as compressed:
        assert ask(compressed, action="subscribe", streams=ALL)["type"] == "subscribed"
        assert compressed.protocol.extensions
        fresh.send("j", [started("r-1", ["a"]), trained("r-1", 1, ["a"])])
        seen = [[receive(socket) for _ in range(5)] for socket in (plain, compressed)]
    assert seen[0] == seen[1]


def test_another_sites_page_cannot_watch(server: Server) -> None:
    with pytest.raises(InvalidStatus) as refused:
        connect(server.ws_url, proxy=None, origin="https://evil.example")
    assert refused.value.response.status_code == 403


def test_our_own_page_can_watch(server: Server) -> None:
    with connect(server.ws_url, proxy=None, origin=server.url) as socket:
        assert ask(socket, action="subscribe", streams=ALL)["type"] == "subscribed"


def test_a_collector_that_ends_closes_its_watchers(tmp_path: Path) -> None:
    with Server(tmp_path) as running, watching(running) as socket:
        assert running.end() == (0, "")
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012


def test_there_is_room_for_so_many_watchers_and_no_more(tmp_path: Path) -> None:
    with Server(tmp_path, streams=1) as running, watching(running):
        with pytest.raises(InvalidStatus):
            connect(running.ws_url, proxy=None)
        assert running.get("/health")["status"] == "healthy"


@pytest.mark.parametrize("event", [1, 2, 500])
def test_a_cursor_leads_back_to_its_event(event: int) -> None:
    assert event_before(cursor_of(event)) == event
    # The message before the event's own: the event is still to be sent.
    assert event_before(cursor_of(event) - 1) == event - 1
