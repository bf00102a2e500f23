"""The warm node at a real SuperLink."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from flwr.app import ConfigRecord, RecordDict
from flwr.common.constant import ErrorCode

from fedsight.federated import codec
from fedsight.federated.flat import FlatModel
from fedsight.federated.link import identity
from fedsight.federated.link.caller import Place
from fedsight.federated.link.fleet_client import FleetClient, RefusedError
from fedsight.federated.link.membership import Membership
from fedsight.federated.link.superlink import SuperLink, SuperLinkOptions
from fedsight.federated.link.wire import Wire
from fedsight.federated.node.introduction import introduced
from fedsight.federated.plan import Plan
from fedsight.tasks import load
from tests.federated.link.stock import app_bundle, question, submitted
from tests.federated.link.warm_nodes import CLIENT, app_source, until, warm_node


def test_a_node_introduces_itself_and_trains(superlink: SuperLink, tmp_path: Path) -> None:
    plan = Plan(task="digits", nodes=2, epochs=1)
    bundle = app_bundle(config=plan.config())
    with (
        warm_node(superlink.address, tmp_path, partition=1, partitions=2),
        submitted(str(superlink.address), bundle) as server,
    ):
        (node,) = server.nodes(1)
        told = introduced(server.ask(node, "query"))
        vector = FlatModel(load("digits").model(0)).vector()
        content = {"arrays": codec.pack(vector), "config": ConfigRecord({"server-round": 1})}
        answer = server.ask(node, "train", RecordDict(content))
        again = introduced(server.ask(node, "query"))
    assert {key: told[key] for key in ("name", "partition-id", "num-partitions")} == {
        "name": "client-0",
        "partition-id": 1,
        "num-partitions": 2,
    }
    assert (told["kind"], told["tags"], told["bandwidth-mbps"]) == ("warm", "edge", 20)
    assert int(told["cpu-count"]) > 0
    assert float(told["memory-gb"]) > 0
    assert "data-samples" not in told
    assert answer.has_content(), answer.error
    update = codec.unpack(answer.content["arrays"])
    assert update.shape == vector.shape
    assert (update != vector).any()
    assert again["data-samples"] == answer.content["metrics"]["num-examples"]


def test_it_goes_on_asking_while_it_trains_and_keeps_state(
    superlink: SuperLink, tmp_path: Path
) -> None:
    bundle = app_bundle(CLIENT, {"seconds": 1.0}, app_source())
    with (
        warm_node(superlink.address, tmp_path, apps=True) as running,
        submitted(str(superlink.address), bundle) as server,
    ):
        (node,) = server.nodes(1)
        began = time.monotonic()
        answers = server.ask_all([node, node], "train", question)
        took = time.monotonic() - began
        until(lambda: running.node.health.answered == 2)
    assert sorted(one.content["said"]["times"] for one in answers) == [1, 2]
    assert 2.0 <= took < 4.0


def test_an_app_that_fails_answers_with_what_failed(superlink: SuperLink, tmp_path: Path) -> None:
    bundle = app_bundle(CLIENT, {"fails": True}, app_source())
    with (
        warm_node(superlink.address, tmp_path, apps=True),
        submitted(str(superlink.address), bundle) as server,
    ):
        (node,) = server.nodes(1)
        error = server.ask(node, "train").error
    assert error.code == ErrorCode.CLIENT_APP_RAISED_EXCEPTION
    assert "no data for this node" in error.reason
    assert "client.py" in error.reason


def test_code_that_the_server_sends_is_not_run_unless_allowed(
    superlink: SuperLink, tmp_path: Path
) -> None:
    bundle = app_bundle(CLIENT, {"seconds": 0.0}, app_source())
    with (
        warm_node(superlink.address, tmp_path),
        submitted(str(superlink.address), bundle) as server,
    ):
        (node,) = server.nodes(1)
        error = server.ask(node, "train").error
    assert error.code == ErrorCode.LOAD_CLIENT_APP_EXCEPTION
    assert "start it with --apps" in error.reason
    assert not (tmp_path / "apps").exists()


def test_a_task_that_the_node_was_not_told_of_is_not_even_imported(
    superlink: SuperLink, tmp_path: Path
) -> None:
    module = "nowhere.tasks"
    bundle = app_bundle(config=Plan(task=f"{module}:TASK", nodes=1).config())
    with (
        warm_node(superlink.address, tmp_path, partition=0, partitions=1),
        submitted(str(superlink.address), bundle) as server,
    ):
        (node,) = server.nodes(1)
        error = server.ask(node, "train").error
    assert f"start the node with --tasks {module}:TASK" in error.reason
    assert "no module named" not in error.reason


def test_anothers_app_is_run_and_its_node_still_introduces_itself(
    superlink: SuperLink, tmp_path: Path
) -> None:
    words = []
    with warm_node(superlink.address, tmp_path, apps=True):
        for word in ("first", "second"):
            bundle = app_bundle(CLIENT, {"seconds": 0.0}, app_source(word))
            with submitted(str(superlink.address), bundle) as server:
                (node,) = server.nodes(1)
                words.append(server.ask(node, "train").content["said"]["word"])
                told = introduced(server.ask(node, "query"))
    assert words == ["first", "second"]
    assert told["name"] == "client-0"


def test_a_restarted_node_is_the_same_node_at_once(superlink: SuperLink, tmp_path: Path) -> None:
    who, memory = identity.fresh(), tmp_path / "id"
    ids = []
    for _ in range(2):
        with warm_node(superlink.address, tmp_path, who=who, memory=memory) as running:
            until(lambda: running.node.health.online)
            ids.append(running.node.health.node_id)
            running.node._client.leave = lambda: None  # type: ignore[method-assign]
    assert ids[0] == ids[1] != 0


@pytest.mark.parametrize("node_auth", [False, True])
def test_a_node_that_lost_its_id_waits_for_its_old_self_to_be_given_up(
    node_auth: bool, tmp_path: Path
) -> None:
    superlink = SuperLink(SuperLinkOptions(port=0, node_auth=node_auth))
    address = superlink.start()
    who = identity.write(tmp_path / "key")
    with ExitStack() as stack:
        stack.callback(superlink.stop)
        wire = stack.enter_context(closing(Wire(address, None)))
        if node_auth:
            stack.enter_context(Membership(Place(address))).register(tmp_path / "key.pub", "a")
        old = FleetClient(wire, who)
        before = old.join()
        health = stack.enter_context(warm_node(address, tmp_path, who=who)).node.health
        until(lambda: "an earlier process of this node" in health.waits_for)
        assert not health.online
        old.leave()  # as the SuperLink gives up one that was killed
        until(lambda: health.online)
        assert health.node_id == before
        with pytest.raises(RefusedError, match="another process with it is online"):
            FleetClient(wire, who, old_self_seconds=0.0).join()


def test_a_node_whose_id_cannot_be_kept_is_a_node_all_the_same(
    superlink: SuperLink, tmp_path: Path
) -> None:
    memory = tmp_path / "no-such-folder" / "id"
    with warm_node(superlink.address, tmp_path, memory=memory) as running:
        until(lambda: running.node.health.online)
    assert not memory.exists()


def test_a_node_comes_back_when_the_superlink_does(tmp_path: Path) -> None:
    first = SuperLink(SuperLinkOptions(port=0))
    address = first.start()
    with warm_node(address, tmp_path, apps=True) as running:
        until(lambda: running.node.health.online)
        before = running.node.health.node_id
        first.stop()
        until(lambda: not running.node.health.online)
        assert "SuperLink" in running.node.health.waits_for
        second = SuperLink(SuperLinkOptions(port=address.port))
        second.start()
        try:
            until(lambda: running.node.health.online)
            bundle = app_bundle(CLIENT, {"seconds": 0.0}, app_source())
            with submitted(str(address), bundle) as server:
                (node,) = server.nodes(1)
                assert server.ask(node, "train").content["said"]["times"] == 1
        finally:
            running.node.stop()
            second.stop()
    assert node != before


# Flower's migrations of its own database.
@pytest.mark.filterwarnings("ignore:No path_separator found:DeprecationWarning")
def test_an_answer_outlives_a_superlink_that_is_away_for_a_while(tmp_path: Path) -> None:
    options = SuperLinkOptions(port=0, database=tmp_path / "state.db")
    first = SuperLink(options)
    address = first.start()
    bundle = app_bundle(CLIENT, {"seconds": 2.0}, app_source())
    with ExitStack() as stack:
        later = stack.enter_context(ExitStack())
        running = stack.enter_context(warm_node(address, tmp_path, apps=True))
        server = stack.enter_context(submitted(str(address), bundle))
        (node,) = server.nodes(1)
        (asked,) = server.push([node], "train", question)
        until(lambda: not running.node._idle.is_set())
        first.stop()
        time.sleep(2.5)
        second = SuperLink(SuperLinkOptions(port=address.port, database=options.database))
        second.start()
        later.callback(second.stop)
        (answer,) = server.wait({asked})
    assert answer.has_content(), answer.error
    assert answer.content["said"]["times"] == 1
    assert answer.metadata.src_node_id == node


def test_a_message_of_a_run_that_is_over_is_dropped(superlink: SuperLink, tmp_path: Path) -> None:
    bundle = app_bundle(CLIENT, {"seconds": 1.0}, app_source())
    with warm_node(superlink.address, tmp_path, apps=True) as running:
        with submitted(str(superlink.address), bundle) as server:
            (node,) = server.nodes(1)
            server.push([node], "train", question)
            until(lambda: not running.node._idle.is_set())
        until(lambda: running.node.health.dropped == 1)
        with submitted(
            str(superlink.address), app_bundle(CLIENT, {"seconds": 0.0}, app_source())
        ) as server:
            assert server.ask(node, "train").has_content()


@pytest.mark.parametrize("registered", [False, True])
def test_an_unknown_or_revoked_key_ends_the_node_with_one_sentence(
    registered: bool, tmp_path: Path
) -> None:
    superlink = SuperLink(SuperLinkOptions(port=0, node_auth=True))
    address = superlink.start()
    try:
        who = identity.write(tmp_path / "key")
        with ExitStack() as stack:
            membership = stack.enter_context(Membership(Place(address)))
            if registered:
                membership.register(tmp_path / "key.pub", "a")
            running = stack.enter_context(warm_node(address, tmp_path, who=who))
            if registered:
                until(lambda: running.node.health.online)
                assert [one.status for one in membership.members()] == ["online"]
                membership.revoke("a")
            error = running.ended()
    finally:
        superlink.stop()
    assert isinstance(error, RefusedError)
    assert f"does not know the key {who.fingerprint}" in str(error)
