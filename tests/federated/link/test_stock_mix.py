"""Flower's own node and a warm one in one federation."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from flwr.app import ConfigRecord, RecordDict

from fedsight.door.serving import listening
from fedsight.federated import codec
from fedsight.federated.flat import FlatModel
from fedsight.federated.link import fab
from fedsight.federated.link.superlink import SuperLink
from fedsight.federated.node.introduction import introduced
from fedsight.federated.plan import Plan
from fedsight.tasks import load
from tests.federated.link.stock import question, submitted
from tests.federated.link.warm_nodes import warm_node

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

#: Flower starts a process for each message, which imports torch.
PATIENCE = 120.0


@contextmanager
def supernode(superlink: str, folder: Path, config: str) -> Iterator[subprocess.Popen[bytes]]:
    """Flower's own node, with everything that it starts ended at the end."""
    scripts = Path(sys.executable).parent
    with listening("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    command = [scripts / "flower-supernode", "--insecure", "--superlink", superlink]
    command += ["--host", "127.0.0.1", "--port", str(port), "--node-config", config]
    environment = {
        **os.environ,
        "FLWR_HOME": str(folder),
        "FLWR_TELEMETRY_ENABLED": "0",
        "FLWR_DISABLE_UPDATE_CHECK": "1",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
        "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}",
    }
    with (folder / "supernode.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        os.killpg(process.pid, 15)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


def test_a_stock_node_and_a_warm_one_train_together(superlink: SuperLink, tmp_path: Path) -> None:
    address = str(superlink.address)
    bundle = fab.bundle(Plan(task="digits", nodes=2, epochs=1).config(), uuid4().hex).content
    vector = FlatModel(load("digits").model(0)).vector()

    def content() -> RecordDict:
        config = ConfigRecord({"server-round": 1})
        return RecordDict({"arrays": codec.pack(vector), "config": config})

    with (
        warm_node(superlink.address, tmp_path, "warm-0", partition=0, partitions=2),
        supernode(address, tmp_path, 'partition-id=1 num-partitions=2 name="stock-1"'),
        submitted(address, bundle) as server,
    ):
        nodes = server.nodes(2, PATIENCE)
        asked = server.ask_all(nodes, "query", question, PATIENCE)
        answers = server.ask_all(nodes, "train", content, PATIENCE)
    assert [one.error for one in (*asked, *answers) if one.has_error()] == []
    told = [introduced(one) for one in asked]
    assert {(one["name"], one["kind"], one["partition-id"]) for one in told} == {
        ("warm-0", "warm", 0),
        ("stock-1", "stock", 1),
    }
    updates = [codec.unpack(one.content["arrays"]) for one in answers]
    assert all(one.shape == vector.shape for one in updates)
    assert (updates[0] != updates[1]).any()
    counts = [int(one.content["metrics"]["num-examples"]) for one in answers]
    assert sum(counts) == 1437
