"""Two agents that send as one node: known by the names that agents give their queues.

An agent that another has followed (a new disk, another machine) is silent from then on. Two that
take turns send at the same time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from fedsight.telemetry.windows.sorting import node_of, sender_of

#: Nodes and services remembered; and for how long two agents of one are told, nanoseconds.
REMEMBERED = 4096
STANDS_NS = 600 * 10**9
LONGEST_SHOWN = 40


@dataclass(frozen=True)
class Pair:
    """Two agents that take turns as one node, for one service."""

    node: str
    service: str
    agents: tuple[str, str]

    def __str__(self) -> str:
        first, second = (agent[:LONGEST_SHOWN] for agent in self.agents)
        return (
            f"two agents send {self.service} as node {self.node} ({first} and {second}):"
            " the first value of a slot stays; give one of them another agent.node, or end it"
        )


@dataclass
class _Spoke:
    """The last two, in their order; when it was last known that they take turns (ns)."""

    agents: list[str] = field(default_factory=list)
    turned: int | None = None


class Senders:
    """Who sends as which node. For one thread; any may read `pairs`."""

    def __init__(self) -> None:
        self._spoke: OrderedDict[tuple[str, str], _Spoke] = OrderedDict()
        #: How often the other of two spoke again.
        self.turns = 0

    def note(self, resource: Mapping[str, str], now: int) -> Pair | None:
        """A resource has sent at `now` (ns); where it is the other one's turn again, both."""
        agent, node = sender_of(resource), node_of(resource)
        if not agent or not node:
            return None
        key = (node, resource.get("service.name", ""))
        spoke = self._spoke.setdefault(key, _Spoke())
        self._spoke.move_to_end(key)
        if len(self._spoke) > REMEMBERED:
            self._spoke.popitem(last=False)
        if spoke.agents and spoke.agents[-1] == agent:
            return None
        again = agent in spoke.agents
        spoke.agents = [*spoke.agents[-1:], agent]
        if not again:
            return None
        self.turns += 1
        spoke.turned = now
        return Pair(*key, (spoke.agents[0], spoke.agents[1]))

    def pairs(self, now: int) -> list[Pair]:
        """Those that took turns of late."""
        return [
            Pair(*key, (spoke.agents[0], spoke.agents[1]))
            for key, spoke in list(self._spoke.items())
            if spoke.turned is not None and now - spoke.turned < STANDS_NS
        ]
