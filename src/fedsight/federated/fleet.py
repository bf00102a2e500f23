"""The nodes of a federation as the server sees them, whatever engine runs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from fedsight.federated.observation import Turn


class RoundLostError(Exception):
    """What was asked of the nodes is gone, with the SuperLink that held it; it answers again.

    The round has to be asked anew. The message says what happened.
    """


Kind = Literal["simulated", "warm", "stock", "unknown"]
Property = bool | float | int | str


@dataclass(frozen=True)
class NodeView:
    """One node as it is known now.

    `partition` is its part of the data, None where it did not say; `properties` are what it told of
    itself (`cpu_count`, `memory_gb`, `bandwidth_mbps`, `data_samples`); `last_seen_seconds` counts
    from its last poll and is None where nobody watches polls; `away` says why it is not `online`
    for this round, where that is known. `verified`: the name is not what the node says, but its
    key's; `refused` says why a node is not taken: for who it says it is, or at all, as its key was
    revoked.
    """

    node_id: int
    name: str
    partition: int | None = None
    kind: Kind = "unknown"
    tags: tuple[str, ...] = ()
    properties: Mapping[str, Property] = field(default_factory=dict)
    online: bool = True
    last_seen_seconds: float | None = None
    away: str | None = None
    verified: bool = False
    refused: str | None = None


@runtime_checkable
class Fleet(Protocol):
    """A grid that knows more of its nodes than their ids."""

    def nodes(self) -> list[NodeView]:
        """Every node that is known, online or not, by partition and then by name."""


@runtime_checkable
class Timed(Protocol):
    """A grid that knows when each node worked."""

    def turn(self, message_id: str) -> Turn | None:
        """When the node worked on that message of the last exchange; None where not known."""


@runtime_checkable
class Absent(Protocol):
    """A grid whose way to the nodes may be gone for a while."""

    @property
    def away_seconds(self) -> float:
        """How long it was gone in all, as far as it was waited for."""


def in_order(nodes: list[NodeView]) -> list[NodeView]:
    """Nodes by partition, those without one last, then by name and id."""

    def place(node: NodeView) -> tuple[bool, int, str, int]:
        return node.partition is None, node.partition or 0, node.name, node.node_id

    return sorted(nodes, key=place)
