"""Flower's store of objects in memory, with a message's tree registered in one step."""

from __future__ import annotations

from fastapi import FastAPI
from flwr.proto.message_pb2 import ObjectTree
from flwr.server.superlink.linkstate import InMemoryLinkState
from flwr.supercore.object_store.in_memory_object_store import InMemoryObjectStore


class SharedObjects(InMemoryObjectStore):
    """Objects that messages share are counted, and go with the last of these messages.

    Flower registers a tree object by object: where another message with the same object is
    deleted meanwhile (two nodes answered alike), the object is gone that was just found there, and
    the answer is refused with an error 500, which ends a stock node.
    """

    def preregister(self, run_id: int, object_tree: ObjectTree) -> list[str]:
        """As Flower's; nothing is deleted meanwhile."""
        with self.lock_store:
            return super().preregister(run_id, object_tree)


def share_objects(flower: FastAPI) -> None:
    """Let a SuperLink that has not begun, and keeps its state in memory, use such a store."""
    factory = flower.state.linkstate_factory
    state = factory.state()
    if isinstance(state, InMemoryLinkState):
        factory.objectstore_factory.store_instance = state._object_store = SharedObjects()
