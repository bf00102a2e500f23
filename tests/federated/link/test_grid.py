"""A training process and its nodes, over a SuperLink of ours."""

from __future__ import annotations

import time

import numpy as np
from flwr.app import ConfigRecord, Message, RecordDict

from fedsight.federated import codec
from fedsight.federated.link.caller import Place
from fedsight.federated.link.grid import LinkGrid
from fedsight.federated.link.superlink import SuperLink
from tests.federated.link.fleet import introducing, nodes

CONFIG = {"task": "toy:task", "lr": 0.1, "rounds": 3, "warm": True}


def test_a_model_goes_to_each_node_and_back(superlink: SuperLink) -> None:
    vector = np.arange(3_000_000, dtype=np.float32)
    address = str(superlink.address)
    with (
        nodes(address, introducing("a", 1), introducing("b", 0)) as fleet,
        LinkGrid(Place(superlink.address), CONFIG) as grid,
    ):
        ids = grid.get_node_ids()
        assert sorted(ids) == sorted(node.node_id for node in fleet)
        content = RecordDict({"arrays": codec.pack(vector), "config": ConfigRecord({"round": 1})})
        messages = [Message(content, node_id, "train") for node_id in ids]
        answers = grid.send_and_receive(messages, timeout=30)
        assert {answer.metadata.src_node_id for answer in answers} == set(ids)
        for answer in answers:
            assert np.array_equal(codec.unpack(answer.content["arrays"]), vector)
        views = grid.nodes()
        assert [(view.name, view.partition, view.kind) for view in views] == [
            ("b", 0, "warm"),
            ("a", 1, "warm"),
        ]
        assert views[0].tags == ("a", "b")
        assert views[0].properties == {"cpu_count": 2}
        assert all(view.online and view.last_seen_seconds is not None for view in views)
        turn = grid.turn(answers[0].metadata.reply_to_message_id)
        assert turn is not None
        assert turn.download is not None
        assert turn.train is not None
        assert turn.upload is not None
        now = time.time_ns()
        assert now - 30e9 < turn.download.start <= turn.download.end <= turn.train.end
        assert turn.upload.start <= turn.upload.end <= now
