"""Which nodes are there: who has fallen silent, who owes an answer, and the wait for enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from flwr.serverapp import Grid

from fedsight.errors import FedsightError
from fedsight.federated.fleet import Fleet, NodeView, RoundLostError, Timed, in_order
from fedsight.federated.narrowed import OnlyThese
from fedsight.federated.observation import Turn
from fedsight.federated.rounds.control import Control, Progressing
from fedsight.federated.rounds.watchdog import listed
from fedsight.signals import Json

#: Between two looks at who is there.
LOOK_SECONDS = 0.25
#: A wait that is shorter is not worth an event.
SAID_AFTER_SECONDS = 1.0


BUSY = "busy with an earlier round"

#: Who of some nodes may train, and why the others may not, by id.
Able = Callable[[Sequence[NodeView]], tuple[Sequence[NodeView], Mapping[int, str]]]


class Say(Protocol):
    """Journals an event of the run."""

    def __call__(
        self,
        kind: str,
        details: dict[str, Json],
        *,
        round: int | None = None,
        node: str | None = None,
    ) -> None:
        """Journal it now."""


def everybody(nodes: Sequence[NodeView]) -> tuple[Sequence[NodeView], Mapping[int, str]]:
    """All that are there may train."""
    return [node for node in nodes if node.online], {}


class Muster:
    """The nodes of one grid, and a `RollCall` of it.

    A node is there where Flower holds it online and where, if its polls are watched, the last one
    is at most `silent_seconds` old. Changes are told once: NODE_SILENT, NODE_RETURNED, and
    NODE_REFUSED of one that is not taken for who it says it is. A grid that knows no more of its
    nodes than their ids has nobody silent. `able` says who of them may train,
    and why the others may not; `on_look` is given the nodes each time that somebody asked for them.
    """

    def __init__(
        self,
        grid: Grid,
        silent_seconds: float,
        say: Say,
        able: Able = everybody,
        on_look: Callable[[Sequence[NodeView]], None] = lambda _: None,
    ) -> None:
        self._grid = grid
        self._on_look = on_look
        self._able = able
        self._silent_seconds = silent_seconds
        self._say = say
        self._silent: dict[int, str] = {}
        self._refused: set[int] = set()

    def nodes(self) -> list[NodeView]:
        """Every node, in the fleet's order; `online` says whether it is there now."""
        if not isinstance(self._grid, Fleet):
            return [NodeView(node_id, str(node_id)) for node_id in self._grid.get_node_ids()]
        found = in_order([self._judged(node) for node in self._grid.nodes()])
        self._on_look(found)
        return found

    def silent(self) -> Mapping[int, str]:
        """See `exchange.RollCall`."""
        if not isinstance(self._grid, Fleet):
            return {}
        there = {node.node_id for node in self.nodes() if node.online}
        return {node_id: why for node_id, why in self._silent.items() if node_id not in there}

    def _judged(self, node: NodeView) -> NodeView:
        age = node.last_seen_seconds
        if node.online and (age is None or age <= self._silent_seconds):
            self._refused.discard(node.node_id)
            if self._silent.pop(node.node_id, None) is not None:
                self._say("NODE_RETURNED", {"message": "answers again"}, node=node.name)
            return node
        if node.refused is not None:
            self._refused.add(node.node_id)
            if self._silent.get(node.node_id) != node.refused:
                self._silent[node.node_id] = node.refused
                self._say("NODE_REFUSED", {"message": node.refused}, node=node.name)
        elif node.node_id in self._refused:  # it is gone, and no longer refused
            self._refused.discard(node.node_id)
            self._silent.pop(node.node_id, None)
        if node.node_id not in self._silent:
            why = "offline" if age is None else f"silent for {age:.0f} s"
            self._silent[node.node_id] = why
            self._say("NODE_SILENT", {"message": why}, node=node.name)
        return replace(node, online=False, away=self._silent[node.node_id])

    def gather(self, least: int, most_seconds: float, sleep: Callable[[float], None]) -> None:
        """Return once `least` nodes are there, and after `most_seconds` in any case."""
        until = time.monotonic() + most_seconds
        while time.monotonic() < until:
            with suppress(RoundLostError):  # nothing was asked yet that could be lost
                if self._lack(least) is None:
                    return
            sleep(LOOK_SECONDS)

    def wait_for(
        self, least: int, most_seconds: float, control: Control, progress: Progressing
    ) -> None:
        """Return once `least` nodes are there, visibly waiting until then.

        Raises FedsightError after `most_seconds`, RunStoppedError where the run is to stop.
        """
        began = time.monotonic()
        said = False
        while (lack := self._lack(least)) is not None:
            waited = time.monotonic() - began
            message = f"waiting for {lack}"
            if waited >= most_seconds:
                raise FedsightError(
                    f"waited {most_seconds:g} s for {lack};"
                    " start more nodes, or ask for fewer with min_clients"
                )
            if progress.now.message != message:
                progress.begin("waiting", message, deadline=began + most_seconds)
            if not said and waited >= SAID_AFTER_SECONDS:
                said = True
                details: dict[str, Json] = {"message": message, "deadline_seconds": most_seconds}
                self._say("ROUND_WAITING", details)
            control.sleep(min(LOOK_SECONDS, max(0.0, most_seconds - waited)))

    def able(self, nodes: Sequence[NodeView]) -> set[int]:
        """Who of them is there and may train."""
        return {node.node_id for node in self._able(nodes)[0]}

    def _lack(self, least: int) -> str | None:
        """What is missing, None where nothing is."""
        able, reasons = self._able(self.nodes())
        if len(able) >= least:
            return None
        more = listed(tuple(dict.fromkeys(reasons.values())), most=3)
        return f"at least {least} nodes, {len(able)} are there" + (f" ({more})" if more else "")


class Present(OnlyThese):
    """A grid that shows the nodes that are there, and hides those that still owe an answer."""

    def __init__(self, grid: Grid, nodes: Sequence[NodeView], busy: set[int]) -> None:
        self._views = [
            replace(node, online=False, away=BUSY) if node.node_id in busy and node.online else node
            for node in nodes
        ]
        super().__init__(grid, [node.node_id for node in self._views if node.online])

    def nodes(self) -> list[NodeView]:
        """See `Fleet`."""
        return self._views

    def turn(self, message_id: str) -> Turn | None:
        """See `Timed`."""
        return self._grid.turn(message_id) if isinstance(self._grid, Timed) else None
