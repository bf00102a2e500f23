"""What a SuperLink of ours tells over HTTP."""

from __future__ import annotations

import time
from contextlib import closing
from itertools import pairwise

import msgspec
import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.supercore.version import package_version

from fedsight import __version__
from fedsight.federated.link import turned_away
from fedsight.federated.link.caller import Place
from fedsight.federated.link.grid import LinkGrid
from fedsight.federated.link.reports import (
    HealthReport,
    NodeReports,
    Refusals,
    TurnReports,
)
from fedsight.federated.link.superlink import SuperLink
from fedsight.federated.link.wire import RejectedError, Wire
from tests.federated.link.fleet import introducing, nodes

PREFIX = "/fedsight/v1"


def told(link: SuperLink, path: str) -> bytes:
    with closing(Wire(link.address, None)) as wire:
        return wire.get(f"{PREFIX}/{path}", dict)


def test_health_says_which_it_is(superlink: SuperLink) -> None:
    health = msgspec.json.decode(told(superlink, "health"), type=HealthReport)
    assert health.service == "fedsight-superlink"
    assert (health.version, health.flower) == (__version__, package_version)
    assert not health.node_auth
    assert 0 <= time.time_ns() - health.started < 60e9


def test_nodes_and_turns(superlink: SuperLink) -> None:
    with (
        nodes(str(superlink.address), introducing("a", 0)) as (node,),
        LinkGrid(Place(superlink.address), {}) as grid,
    ):
        message = Message(RecordDict({"config": ConfigRecord({"n": 1})}), node.node_id, "train")
        (answer,) = grid.send_and_receive([message], timeout=20)
        message_id = answer.metadata.reply_to_message_id
        (report,) = msgspec.json.decode(told(superlink, "nodes"), type=NodeReports).nodes
        assert (report.node_id, report.status) == (str(node.node_id), "online")
        assert report.key is not None
        assert len(report.key) == 16
        assert report.last_poll_seconds is not None
        assert report.last_poll_seconds < 10
        assert report.requests > 5  # register, activate, polls, objects, the answer
        assert report.bytes_in > 100
        assert report.bytes_out > 100
        turns = msgspec.json.decode(
            told(superlink, f"turns?ids={message_id},unknown"), type=TurnReports
        ).turns
        assert turns.keys() == {message_id}
        turn = turns[message_id]
        spans = [turn.queued, turn.download, turn.train, turn.upload]
        for before, after in pairwise(spans):
            assert before is not None
            assert after is not None
            assert before[0] <= before[1] == after[0] <= after[1]


def test_refusals_after_an_id(superlink: SuperLink) -> None:
    with closing(Wire(superlink.address, None)) as wire, pytest.raises(RejectedError):
        wire.post("/v1/fleet/pull-messages", b"", dict)
    found = msgspec.json.decode(told(superlink, "refusals?after=0"), type=Refusals)
    assert (found.total, found.by_reason) == (1, {turned_away.NO_KEY: 1})
    (refusal,) = found.refusals
    later = msgspec.json.decode(told(superlink, f"refusals?after={refusal.id}"), type=Refusals)
    assert (later.refusals, later.last_id) == ([], refusal.id)
    with pytest.raises(RejectedError, match="after must be a whole number"):
        told(superlink, "refusals?after=x")


def test_metrics_are_prometheus_text(superlink: SuperLink) -> None:
    with nodes(str(superlink.address), introducing("a", 0)) as (node,):
        lines = told(superlink, "metrics").decode().splitlines()
    assert f'fedsight_superlink_node_online{{node="{node.node_id}"}} 1' in lines
    assert "# TYPE fedsight_superlink_node_bytes_in_total counter" in lines
    assert all(line.startswith(("# TYPE ", "fedsight_superlink_")) for line in lines)


def test_what_is_not_there_is_not_found(superlink: SuperLink) -> None:
    with pytest.raises(RejectedError) as caught:
        told(superlink, "nothing")
    assert caught.value.status == 404
