"""Objects that two messages share, registered and deleted at the same time."""

from __future__ import annotations

import hashlib
import threading
from typing import cast

from flwr.proto.message_pb2 import ObjectTree
from flwr.superlink.main import create_app

from fedsight.federated.link.shared_objects import SharedObjects, share_objects

RUN = 7


def name(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def message(number: int, width: int = 60) -> ObjectTree:
    """A message of its own whose content is that of every other."""
    record = ObjectTree(
        object_id=name("record"),
        children=[ObjectTree(object_id=name(f"part {at}")) for at in range(width)],
    )
    return ObjectTree(object_id=name(f"message {number}"), children=[record])


def test_a_message_keeps_what_another_one_with_it_loses() -> None:
    store = SharedObjects()
    store.preregister(RUN, message(0))
    errors: list[Exception] = []

    def come_and_go(first: int) -> None:
        try:
            for number in range(first, first + 300):
                store.preregister(RUN, message(number))
                store.delete(name(f"message {number}"))
        except KeyError as error:
            errors.append(error)

    threads = [threading.Thread(target=come_and_go, args=(at * 1000 + 1,)) for at in range(4)]
    for thread in threads:
        thread.start()
    store.delete(name("message 0"))
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(store) == 0


def test_a_superlink_in_memory_uses_it() -> None:
    flower = create_app()
    share_objects(flower)
    state = flower.state.linkstate_factory.state()
    assert isinstance(state.object_store, SharedObjects)
    assert cast(object, state.object_store) is (
        flower.state.linkstate_factory.objectstore_factory.store()
    )
