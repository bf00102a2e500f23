"""Flower's own `flower-supernode` with a SuperLink of ours."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.proto.control_pb2 import RegisterNodeRequest, RegisterNodeResponse

from fedsight.door.serving import listening
from fedsight.federated.fleet import NodeView
from fedsight.federated.link import identity
from fedsight.federated.link.address import Address
from fedsight.federated.link.caller import Caller, Place
from fedsight.federated.link.fleet_client import FleetClient
from fedsight.federated.link.grid import LinkGrid
from fedsight.federated.link.reports import Refusal
from fedsight.federated.link.superlink import SuperLink, SuperLinkOptions
from fedsight.federated.link.wire import Wire
from tests.federated.link.certificates import certificate

pytestmark = pytest.mark.slow


@contextmanager
def supernode(address: Address, folder: Path, *flags: str) -> Iterator[subprocess.Popen[bytes]]:
    command = shutil.which("flower-supernode", path=str(Path(sys.executable).parent))
    assert command is not None
    with listening("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    own = ["--superlink", str(address), "--host", "127.0.0.1", "--port", str(port)]
    node = ["--node-config", 'partition-id=3 num-partitions=4 name="stock-3"']
    with (folder / "supernode.log").open("wb") as log:
        process = subprocess.Popen(
            [command, *own, *node, *flags],
            stdout=log,
            stderr=log,
            env={
                "PATH": str(Path(sys.executable).parent),
                "FLWR_HOME": str(folder),
                "FLWR_TELEMETRY_ENABLED": "0",
                "FLWR_DISABLE_UPDATE_CHECK": "1",
                "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
            },
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def introduced(grid: LinkGrid, within: float = 60.0) -> NodeView:
    """The one node, once it has said who it is."""
    deadline = time.monotonic() + within
    while True:
        views = grid.nodes()
        if views and views[0].kind != "unknown":
            return views[0]
        assert time.monotonic() < deadline, views
        time.sleep(0.2)


def test_it_introduces_itself(superlink: SuperLink, tmp_path: Path) -> None:
    with (
        supernode(superlink.address, tmp_path, "--insecure"),
        LinkGrid(Place(superlink.address), {"task": "digits"}) as grid,
    ):
        view = introduced(grid)
        assert (view.name, view.partition, view.kind, view.online) == ("stock-3", 3, "stock", True)
        assert view.last_seen_seconds is None  # its pauses between two polls mean nothing


@pytest.mark.filterwarnings("ignore:No path_separator found:DeprecationWarning")
@pytest.mark.timeout(240)
def test_with_a_key_of_its_own_it_outlives_a_restart(tmp_path: Path) -> None:
    """It signs each request anew, so that what it tries again is no replay."""
    key = identity.write(tmp_path / "key")
    told: list[Refusal] = []
    tls = certificate(tmp_path)
    options = SuperLinkOptions(port=0, database=tmp_path / "state.db", tls=tls, node_auth=True)
    link = SuperLink(options, on_refusal=told.append)
    place = Place(link.start(), insecure=False, root_cert=tls.certificate)
    with closing(Caller(place, wait_seconds=5)) as caller:
        request = RegisterNodeRequest(public_key=key.public)
        caller.once("/v1/control/register-node", request, RegisterNodeResponse)
    flags = ("--auth-supernode-private-key", str(tmp_path / "key"))
    flags += ("--root-certificates", str(tls.certificate))
    with supernode(place.address, tmp_path, *flags) as process:
        with LinkGrid(place, {"task": "digits"}) as grid:
            first = introduced(grid)
        link.stop()
        time.sleep(2)
        link = SuperLink(replace(options, port=place.address.port), on_refusal=told.append)
        link.start()
        with LinkGrid(place, {"task": "digits"}) as grid:
            assert introduced(grid).node_id == first.node_id
        assert process.poll() is None
    link.stop()
    assert told == []


def test_a_node_that_dies_answers_with_an_error_of_its_own(superlink: SuperLink) -> None:
    """Flower says so in its own name, once it has missed two heartbeats: 20 s at the least."""
    with closing(Wire(superlink.address, None)) as wire:
        node = FleetClient(wire, identity.fresh())
        node.join()
        with LinkGrid(Place(superlink.address), {}) as grid:
            message = Message(RecordDict({"config": ConfigRecord({"n": 1})}), node.node_id, "train")
            (answer,) = grid.send_and_receive([message], timeout=60)
            assert answer.has_error()
            assert answer.metadata.src_node_id == node.node_id
            assert answer.metadata.reply_to_message_id == message.metadata.message_id
