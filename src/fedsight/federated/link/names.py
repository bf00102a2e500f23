"""Which name is which key's: what `fedsight node register` said."""

from __future__ import annotations

from collections.abc import Iterable

from flwr.proto.node_pb2 import NodeInfo

from fedsight.federated.link.identity import NAME, fingerprint

UNREGISTERED = "unregistered"
#: Why a node that is so is not there, and what it answered before does not count.
SHUT_OUT = "its key was revoked"
#: So the names begin of those that were registered without one; nobody else's does.
NAMELESS = "key-"


def bound(nodes: Iterable[NodeInfo]) -> dict[int, str]:
    """The names of nodes that were not revoked, by id, no two alike.

    A node is called as its key was registered, and by its key where no name was given. Of two keys
    that were registered under one name, the one that came first has it.
    """
    there = [node for node in nodes if node.status != UNREGISTERED]
    names: dict[int, str] = {}
    taken: set[str] = set()
    for node in sorted(there, key=lambda node: (node.registered_at, node.node_id)):
        name = node.name
        if name in taken or not may_be_registered(name):
            name = NAMELESS + fingerprint(node.public_key)
        names[node.node_id] = name
        taken.add(name)
    return names


def may_be_registered(name: str) -> bool:
    """Whether a key can be registered under that name."""
    return NAME.fullmatch(name) is not None and not name.startswith(NAMELESS)
