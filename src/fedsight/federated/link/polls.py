"""What a SuperLink sees of its nodes' requests: when each last asked, and the turns of messages.

All methods but `seconds_since` are called from the server's event loop, one at a time.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from fedsight.federated.link.reports import Span, TurnReport

#: Turns and nodes beyond these are forgotten, the oldest first.
MOST_TURNS = 20_000
#: Messages that one node holds, or has lost, which are kept in mind.
MOST_HELD = 64
MOST_LIVES = 16
MOST_NODES = 20_000
#: A node that has nothing else to do fetches a message at once. One that it has not begun to fetch
#: by so many later polls, and in so many nanoseconds, it has not heard of.
UNHEARD_POLLS = 2
UNHEARD_NS = 2 * 10**9


@dataclass
class _Held:
    """A message that its node was handed at its poll number `poll`, and the ids of its objects.

    `begun`: the node has asked for one of them.
    """

    poll: int
    objects: frozenset[str] = frozenset()
    begun: bool = False


@dataclass
class NodePolls:
    """One node's requests so far; `last` is on the monotonic clock, in seconds.

    `lives` are the processes that made them, the newest last; `current` is the one that came online
    last (None: not known), and `claim` what it then said that it is called. `held` are messages
    that it was handed and has not answered whole, in the order in which it works them off; when
    another process takes its place, they are `lost`, and so is one of which it has not heard.
    `polls` are its questions for messages; when it last did something else is `acted`, Unix
    nanoseconds.
    """

    last: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    requests: int = 0
    lives: OrderedDict[str, None] = field(default_factory=OrderedDict)
    current: str | None = None
    claim: str = ""
    held: OrderedDict[str, _Held] = field(default_factory=OrderedDict)
    lost: OrderedDict[str, None] = field(default_factory=OrderedDict)
    polls: int = 0
    acted: int = 0

    def unheard(self, now: int) -> list[str]:
        """Messages of which it has not heard: the answer that named them was lost on the way.

        It is past them where it has begun with a later one, and where it has nothing to do.
        """
        latest = max((held.poll for held in self.held.values() if held.begun), default=-1)
        idle = latest < 0 and now - self.acted >= UNHEARD_NS
        return [
            message_id
            for message_id, held in self.held.items()
            if not held.begun
            and self.polls - held.poll >= UNHEARD_POLLS
            and (idle or held.poll < latest)
        ]


@dataclass
class _Turn:
    """One instruction message on its way to a node and back; times in Unix nanoseconds."""

    stored: int | None = None
    handed: int | None = None
    received: int | None = None
    answered: int | None = None
    ended: int | None = None
    wanted: int = 0
    node_id: int = 0

    def report(self) -> TurnReport:
        return TurnReport(
            queued=_span(self.stored, self.handed),
            download=_span(self.handed, self.received),
            train=_span(self.received or self.handed, self.answered),
            upload=_span(self.answered, self.ended),
        )


def _span(start: int | None, end: int | None) -> Span | None:
    return None if start is None or end is None or end < start else (start, end)


@dataclass
class Polls:
    """The account of nodes and turns. `now` is Unix nanoseconds."""

    now: Callable[[], int]
    nodes: OrderedDict[int, NodePolls] = field(default_factory=OrderedDict)
    _turns: OrderedDict[str, _Turn] = field(default_factory=OrderedDict)
    _sessions: OrderedDict[str, str] = field(default_factory=OrderedDict)

    def asked(self, node_id: int, bytes_in: int, life: str = "") -> None:
        """A node that is who it says it is made a request; `life` "" where it does not say."""
        node = self.nodes.get(node_id)
        if node is None:
            node = self.nodes[node_id] = NodePolls()
            _bound(self.nodes, MOST_NODES)
        node.last = time.monotonic()
        node.bytes_in += bytes_in
        node.requests += 1
        if node.current is None:
            node.current = life
        if life and life not in node.lives:  # what an earlier one asked may be answered later
            if node.lives:
                self._begun_anew(node)
            node.lives[life] = None
            _bound(node.lives, MOST_LIVES)

    def went_online(self, node_id: int, life: str = "", claim: str = "") -> None:
        """A node came online: one that does not tell its lives apart does so once in each."""
        node = self.nodes.get(node_id)
        if node is None:
            return
        node.current, node.claim = life, claim
        if not node.lives:
            self._begun_anew(node)

    def is_past(self, node_id: int, life: str) -> bool:
        """Whether another process came online in the place of that one; from any thread."""
        node = self.nodes.get(node_id)
        return node is not None and node.current not in (None, life) and life in node.lives

    def is_another(self, node_id: int, life: str) -> bool:
        """Whether the process that is online as that node is another one; from any thread."""
        node = self.nodes.get(node_id)
        return node is not None and node.current not in (None, life)

    def taken_by(self, message_id: str) -> int | None:
        """The node that took a message; None where that is not known. From any thread."""
        turn = self._turns.get(message_id)
        return None if turn is None or not turn.node_id else turn.node_id

    def _begun_anew(self, node: NodePolls) -> None:
        self._lose(node, list(node.held))

    def _lose(self, node: NodePolls, message_ids: Iterable[str]) -> None:
        for message_id in message_ids:
            del node.held[message_id]
            node.lost[message_id] = None
        _bound(node.lost, MOST_HELD)

    def answered(self, node_id: int, bytes_out: int) -> None:
        """Its request was answered."""
        node = self.nodes.get(node_id)
        if node is not None:
            node.bytes_out += bytes_out

    def seconds_since(self, node_id: int) -> float | None:
        """How long ago a node last asked; None where it has not since the start."""
        node = self.nodes.get(node_id)
        return None if node is None else time.monotonic() - node.last

    def stored(self, message_id: str) -> None:
        """A message for a node was handed in."""
        self._turn(message_id).stored = self.now()

    def polled(self, node_id: int) -> None:
        """A node asked for messages."""
        node = self.nodes.get(node_id)
        if node is not None:
            node.polls += 1
            self._lose(node, node.unheard(self.now()))

    def handed_over(
        self, message_id: str, node_id: int, objects: frozenset[str] = frozenset()
    ) -> None:
        """A node was told of a message; its objects, those ids, follow."""
        turn = self._turn(message_id)
        turn.handed, turn.node_id = self.now(), node_id
        node = self.nodes.get(node_id)
        if node is not None:
            node.held[message_id] = _Held(node.polls, objects)
            node.acted = turn.handed
            _bound(node.held, MOST_HELD)

    def fetched(self, node_id: int, object_id: str) -> None:
        """A node asked for an object."""
        node = self.nodes.get(node_id)
        if node is not None:
            node.acted = self.now()
            for held in node.held.values():
                held.begun = held.begun or object_id in held.objects

    def received(self, message_id: str) -> None:
        """A node has confirmed that it holds the whole message."""
        turn = self._turns.get(message_id)
        if turn is not None and turn.received is None:
            turn.received = self.now()
            self._begun(turn, message_id)

    def _begun(self, turn: _Turn, message_id: str) -> None:
        """A node has the message for certain, whatever was thought of it."""
        node = self.nodes.get(turn.node_id)
        if node is not None and turn.received is not None:
            node.acted = turn.received
            node.lost.pop(message_id, None)
            if message_id in node.held:
                node.held[message_id].begun = True

    def answer_began(self, message_id: str, began: int, session: str, wanted: int) -> None:
        """A node's answer to a message was taken; `wanted` objects of it are yet to come."""
        turn = self._turn(message_id)
        turn.answered, turn.wanted = began, wanted
        if wanted:
            self._sessions[session] = message_id
            _bound(self._sessions, MOST_TURNS)
        else:
            self._ended(message_id, turn)

    def object_came(self, session: str) -> None:
        """An object of an answer was stored."""
        message_id = self._sessions.get(session)
        turn = None if message_id is None else self._turns.get(message_id)
        if message_id is None or turn is None:
            return
        turn.wanted -= 1
        if turn.wanted <= 0:
            self._ended(message_id, turn)
            del self._sessions[session]

    def _ended(self, message_id: str, turn: _Turn) -> None:
        turn.ended = self.now()
        node = self.nodes.get(turn.node_id)
        if node is not None:
            node.held.pop(message_id, None)
            node.acted = turn.ended

    def turns(self, message_ids: Iterable[str]) -> dict[str, TurnReport]:
        """The turns of those messages that are known."""
        return {each: self._turns[each].report() for each in message_ids if each in self._turns}

    def _turn(self, message_id: str) -> _Turn:
        turn = self._turns.get(message_id)
        if turn is None:
            turn = self._turns[message_id] = _Turn()
            _bound(self._turns, MOST_TURNS)
        return turn


def _bound(held: OrderedDict[Any, Any], most: int) -> None:
    while len(held) > most:
        held.popitem(last=False)
