"""One exchange of messages with nodes: sent, then answers as they come, until it is closed.

Answers are handed on in the order of the messages, whatever order they come in, so that a sum of
them has the same bits each time. It is closed when every node has answered or is given up, when
the quorum has answered, or at the deadline; what answers after that is late.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from flwr.app import Message
from flwr.serverapp import Grid

from fedsight.federated.fleet import Absent
from fedsight.federated.rounds.control import Activity, Control, Progressing
from fedsight.federated.rounds.late import Late
from fedsight.federated.rounds.reordered import Reordered

#: Between two looks for answers.
POLL_SECONDS = 0.05
#: How often it is asked which nodes have fallen silent.
ROLL_CALL_SECONDS = 1.0
#: A wait is said once it has lasted so long, and half as long again as it usually does.
SAID_AFTER_SECONDS = 5.0
SAID_AFTER_TIMES = 1.5


#: Why an answer was waited for no longer: its time was over, enough others had come, or its node is
#: not there.
Missed = Literal["deadline", "quorum", "silent"]


@dataclass(frozen=True)
class Closing:
    """What closes an exchange besides the last answer. `quorum` 0: nothing but all."""

    deadline_seconds: float | None = None
    quorum: int = 0


@runtime_checkable
class Recalling(Protocol):
    """A grid that can take back what no node has begun."""

    def recall(self, message_ids: Iterable[str]) -> None:
        """Forget these messages: nobody waits for their answers."""


@dataclass(frozen=True)
class Waiting:
    """Whom an exchange has been waiting for, and for how long it does at the most."""

    nodes: tuple[str, ...]
    deadline_seconds: float | None


class RollCall(Protocol):
    """Knows which nodes have fallen silent."""

    def silent(self) -> Mapping[int, str]:
        """Why, by node id, for each node that is not there now."""


@dataclass
class _Open:
    """An exchange that goes on: what it waits for, by message id."""

    places: dict[str, int]
    nodes: dict[str, int]
    names: dict[str, str]
    usable: int = 0
    counts: bool = False

    def take(self, message_id: str) -> int:
        """The place of an answered message; it is waited for no longer."""
        del self.nodes[message_id]
        del self.names[message_id]
        return self.places.pop(message_id)


class Exchanges:
    """The exchanges of one run with the nodes of one grid.

    `name` says what people call a node, `roll` who is silent, `late` keeps the account of answers
    that come after their exchange was closed, and `on_waiting` is told, once an exchange and
    again after the way to the nodes was gone, of a wait that takes longer than usual. `checked`
    makes an Error of an answer that must not count for a quorum.
    """

    def __init__(
        self,
        grid: Grid,
        *,
        control: Control,
        progress: Progressing,
        roll: RollCall,
        late: Late,
        name: Callable[[int], str] = str,
        on_waiting: Callable[[Waiting], None] = lambda _: None,
        checked: Callable[[Message], Message] = lambda answer: answer,
    ) -> None:
        self._grid = grid
        self._control = control
        self._progress = progress
        self._roll = roll
        self._late = late
        self._name = name
        self._on_waiting = on_waiting
        self._checked = checked
        self._absent = grid if isinstance(grid, Absent) else None
        self._lost: dict[int, str] = {}
        self._missed: dict[int, Missed] = {}

    @property
    def missed(self) -> Mapping[int, Missed]:
        """Nodes of the last exchange whose answers were waited for no longer, though they may come:
        by what."""
        return self._missed

    @property
    def lost(self) -> Mapping[int, str]:
        """Nodes of the last exchange that were waited for no longer, and why."""
        return self._lost

    def answers(
        self, messages: Sequence[Message], closing: Closing, activity: Activity
    ) -> Iterator[Message]:
        """Send the messages; their answers in the messages' order, as soon as that is known.

        A node without an answer is left out. Raises RunStoppedError where the run is to stop.
        """
        self._lost, self._missed = {}, {}
        opened = time.monotonic()
        waits = closing.deadline_seconds
        ends = None if waits is None else opened + waits
        before = gone = self.away_seconds
        held = Reordered()
        usual = self._progress.usual(activity) or 0.0
        said_after = opened + max(SAID_AFTER_SECONDS, SAID_AFTER_TIMES * usual)
        going = self._send(messages, held)
        going.counts = closing.quorum > 0
        asked = f"{len(going.places)} nodes"
        self._progress.begin(activity, asked, waiting=going.names, deadline=ends)
        called = opened
        while going.places:
            arrived = self._pull(going, held)
            yield from held.ready()
            if not going.places:
                break
            if closing.quorum and going.usable >= closing.quorum:
                self._close(going, "quorum", f"the round was closed by {going.usable} answers")
                break
            now = time.monotonic()
            if self.away_seconds != gone:  # what was said of that stands in place of whom we await
                gone, said_after = self.away_seconds, now + SAID_AFTER_SECONDS
            deadline = None if ends is None else ends + gone - before
            if deadline is not None and now >= deadline:
                self._close(going, "deadline", f"did not answer within {waits:g} s")
                break
            if now - called >= ROLL_CALL_SECONDS:
                called = now
                self._give_up(going, held)
                if now >= said_after and going.places:
                    said_after = math.inf
                    self._on_waiting(Waiting(tuple(going.names.values()), waits))
                yield from held.ready()
            if not arrived:
                left = POLL_SECONDS if deadline is None else min(POLL_SECONDS, deadline - now)
                self._control.sleep(max(0.0, left))
            else:
                self._control.check()
        self._leave(going)
        yield from held.rest()

    @property
    def away_seconds(self) -> float:
        """How long, in all, nobody could answer as the way to the nodes was gone."""
        return 0.0 if self._absent is None else self._absent.away_seconds

    def hear(self) -> None:
        """Take in late answers while nothing else is asked."""
        if self._late.expected:
            for reply in self._grid.pull_messages(list(self._late.expected)):
                self._late.arrived(reply)

    def _leave(self, going: _Open) -> None:
        """Wait no longer for what is left: it is late, if it comes."""
        if going.nodes and isinstance(self._grid, Recalling):
            self._grid.recall(going.nodes)
        else:
            self._late.expect(going.nodes, time.monotonic())

    def _send(self, messages: Sequence[Message], held: Reordered) -> _Open:
        """Hand the messages over; one that the grid does not take is as one without an answer."""
        ids = list(self._grid.push_messages(messages)) if messages else []
        going = _Open({}, {}, {})
        for place, (message, message_id) in enumerate(zip(messages, ids, strict=True)):
            node_id = message.metadata.dst_node_id
            if not message_id:
                self._lost[node_id] = "the message could not be handed over"
                held.skip(place)
                continue
            going.places[message_id] = place
            going.nodes[message_id] = node_id
            going.names[message_id] = self._name(node_id)
        return going

    def _pull(self, going: _Open, held: Reordered) -> bool:
        """Take in what has come; whether anything has."""
        came = False
        wanted = [*going.places, *self._late.expected] if self._late.expected else going.places
        for reply in self._grid.pull_messages(wanted):
            came = True
            self._progress.touch()
            message_id = reply.metadata.reply_to_message_id
            if message_id in going.places:
                reply = self._checked(reply) if going.counts else reply
                going.usable += not reply.has_error()
                held.put(going.take(message_id), reply)
            else:
                self._late.arrived(reply)
        return came

    def _give_up(self, going: _Open, held: Reordered) -> None:
        """Wait no longer for nodes that are not there."""
        silent = self._roll.silent()
        if not silent:
            return
        for message_id, node_id in list(going.nodes.items()):
            if node_id in silent:
                self._lost[node_id], self._missed[node_id] = silent[node_id], "silent"
                self._late.expect({message_id: node_id}, time.monotonic())
                held.skip(going.take(message_id))

    def _close(self, going: _Open, why: Missed, reason: str) -> None:
        for node_id in going.nodes.values():
            self._lost[node_id], self._missed[node_id] = reason, why
