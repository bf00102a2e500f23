"""Who the nodes of a SuperLink are: what Flower knows of them, what was seen of them, what they
say of themselves.

A SuperLink of ours with node authentication says which name is which key's. Then nobody is called
as it says, and whoever says that it is called as another key is refused.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from math import inf
from typing import cast

from flwr.app import ConfigRecord, Message, RecordDict
from flwr.proto.node_pb2 import NodeInfo

from fedsight.federated.fleet import Kind, NodeView, Property, in_order
from fedsight.federated.link.names import SHUT_OUT, UNREGISTERED
from fedsight.federated.link.reports import NAME_OF_ANOTHER, NodeReport, NodeReports
from fedsight.federated.node.introduction import (
    CHOSEN,
    KIND,
    NAME,
    NODE,
    PARTITION,
    PARTITIONS,
    TAGS,
)

logger = logging.getLogger(__name__)

QUERY = "query"
#: So long the first nodes are waited for, and later ones that join a run.
FIRST_WAIT_SECONDS = 5.0
LATER_WAIT_SECONDS = 2.0
POLL_SECONDS = 0.05
#: A question that nobody has answered is given up, and asked anew, so often.
GIVE_UP_SECONDS = 120.0
#: A node that is refused may have been begun anew since: it is asked again.
ASK_AGAIN_SECONDS = 15.0
MOST_QUESTIONS = 3

_KINDS: dict[str, Kind] = {"warm": "warm", "stock": "stock"}
_OWN_FIELDS = {NAME, CHOSEN, PARTITION, PARTITIONS, TAGS, KIND}
#: Of what a node says of itself: letters of a text, and how many tags and properties.
_MOST_TEXT = 64
_MOST_SAID = 32


@dataclass
class _Known:
    """One node as far as it is known; `questions` that were sent to it, the last one at `asked`.

    `name` is its own alone among the nodes, and stays once it has introduced itself; "" before.
    `claims`: it was told the name that it says, and did not take one for want of such. `warned`: it
    was said that it calls itself otherwise than it is called.
    """

    view: NodeView
    introduced: bool = False
    claims: bool = True
    questions: int = 0
    asked: float = 0.0
    name: str = ""
    refused: str | None = None
    warned: bool = False

    def wants_asking(self) -> bool:
        """Whether it is to be asked who it is."""
        if self.refused is not None:
            return time.monotonic() - self.asked >= ASK_AGAIN_SECONDS
        return not self.introduced and self.questions < MOST_QUESTIONS

    def warn(self, said: str) -> None:
        """Say once that it says it is called so."""
        if not self.warned:
            self.warned = True
            logger.warning("node %s says that it is called %s", self.name, said)


@dataclass
class Roster:
    """The nodes that were ever there. `push` and `pull` carry questions to nodes and back."""

    push: Callable[[Iterable[Message]], list[str]]
    pull: Callable[[Iterable[str]], list[Message]]
    idle: Callable[[float], object] = time.sleep
    _nodes: dict[int, _Known] = field(default_factory=dict)
    _asked: dict[str, tuple[int, float]] = field(default_factory=dict)
    _bound: bool = False

    def begin_anew(self) -> None:
        """Questions under way are lost."""
        for node_id, _ in self._asked.values():
            if node_id in self._nodes:
                self._nodes[node_id].questions -= 1
        self._asked.clear()

    def is_question(self, message_id: str) -> bool:
        """Whether that message asks a node who it is, and is on its way."""
        return message_id in self._asked

    def views(
        self, online: Sequence[NodeInfo], reports: NodeReports | None, most_wait: float = inf
    ) -> list[NodeView]:
        """Every node, by partition and name.

        Waits a little for nodes that are new to answer, at most `most_wait` seconds; who answers
        later has its name from the next look on.
        """
        there = {info.node_id: info for info in online}
        seen = {} if reports is None else {int(each.node_id): each for each in reports.nodes}
        first = not any(known.introduced for known in self._nodes.values())
        for node_id in sorted(there.keys() - self._nodes.keys()):
            self._nodes[node_id] = _Known(NodeView(node_id, _nameless(node_id)))
        if self._ask(there):
            self._listen(min(most_wait, FIRST_WAIT_SECONDS if first else LATER_WAIT_SECONDS))
        else:
            self._hear()
        # Once names are keys', what nodes say never counts again, whatever answers there later.
        self._bound = self._bound or (reports is not None and reports.bound)
        names = self._names_of_keys(seen) if self._bound else self._names(there)
        self._shut_out(seen)
        views = [
            _called(
                _seen(known.view, there.get(node_id), seen.get(node_id)),
                names[node_id],
                known,
                self._bound,
            )
            for node_id, known in self._nodes.items()
        ]
        self._forget_doubles(views)
        return in_order([view for view in views if view.node_id in self._nodes])

    def _ask(self, there: Mapping[int, NodeInfo]) -> bool:
        """Ask each node that is there and has not said who it is; whether any that is to be
        waited for was asked."""
        busy = {node_id for node_id, _ in self._asked.values()}
        strangers = [
            node_id
            for node_id in there
            if node_id not in busy and self._nodes[node_id].wants_asking()
        ]
        content = RecordDict({"config": ConfigRecord()})
        messages = [Message(content, node_id, QUERY, ttl=GIVE_UP_SECONDS) for node_id in strangers]
        now = time.monotonic()
        for node_id, message_id in zip(strangers, self.push(messages), strict=True):
            self._nodes[node_id].questions += 1
            self._nodes[node_id].asked = now
            if message_id:
                self._asked[message_id] = node_id, now
        return any(self._nodes[node_id].refused is None for node_id in strangers)

    def _listen(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while self._hear() and time.monotonic() < deadline:
            self.idle(POLL_SECONDS)

    def _hear(self) -> bool:
        """Take in what nodes have answered; whether an answer is still to come."""
        if not self._asked:
            return False
        for answer in self.pull(list(self._asked)):
            node_id, _ = self._asked.pop(answer.metadata.reply_to_message_id)
            known = self._nodes.get(node_id)
            if known is None:
                continue  # it was taken for another, and forgotten
            if answer.has_error():
                # Its app cannot be asked. A node that was gone is asked again.
                known.introduced = known.questions >= MOST_QUESTIONS
            else:
                known.introduced = True
                view = replace(known.view, name=_nameless(node_id))  # it may take back what it said
                known.view = introduced(view, answer.content)
                known.claims = _claims(answer.content)
        now = time.monotonic()
        self._asked = {
            message_id: (node_id, since)
            for message_id, (node_id, since) in self._asked.items()
            if now - since < GIVE_UP_SECONDS
        }
        return bool(self._asked)

    def _names(self, there: Mapping[int, NodeInfo]) -> dict[int, str]:
        """Each node's name, and no two alike: what is kept of nodes is kept by name.

        Of two that are there, the one that came later (of two at once, the one with the larger id)
        has the end of its id added. Where the one before is gone, it is one node with a new id.
        """
        owners = {known.name: node_id for node_id, known in self._nodes.items() if known.name}
        names: dict[int, str] = {}
        for node_id, known in self._nodes.items():
            name = known.name or known.view.name
            owner = owners.get(name, node_id)
            if owner != node_id and (owner in there or node_id not in there):
                name = _another(name, node_id, owners)
            owners[name] = node_id
            names[node_id] = name
            if known.introduced and not known.name:
                known.name = name
                if name != known.view.name:
                    logger.warning(
                        "two nodes are called %s: the later one is %s here", known.view.name, name
                    )
        return names

    def _names_of_keys(self, seen: Mapping[int, NodeReport]) -> dict[int, str]:
        """Each node's name as its key was registered; who says that it is another is refused."""
        owners = {one.name: node_id for node_id, one in seen.items() if one.name}
        for node_id, known in self._nodes.items():
            report = seen.get(node_id)
            known.name = (report and report.name) or known.name or _nameless(node_id)
            said = known.view.name if known.claims else known.name
            of_another = owners.get(said, node_id) != node_id
            known.refused = _refusal(said, known.name) if of_another else None
            if known.introduced and said not in (known.name, _nameless(node_id)):
                known.warn(said)
        return {node_id: known.name for node_id, known in self._nodes.items()}

    def _shut_out(self, seen: Mapping[int, NodeReport]) -> None:
        """Who was revoked does not come back."""
        for node_id, known in self._nodes.items():
            report = seen.get(node_id)
            if report is not None and report.status == UNREGISTERED:
                known.refused = SHUT_OUT

    def _forget_doubles(self, views: Sequence[NodeView]) -> None:
        """A node that was given a new id is one node."""
        there = {view.name for view in views if view.online}
        for view in views:
            if not view.online and view.name in there:
                del self._nodes[view.node_id]


def introduced(view: NodeView, content: RecordDict) -> NodeView:
    """A node with what it said of itself; what it said amiss is left out."""
    found = content.get(NODE)
    if not isinstance(found, ConfigRecord):
        return view
    said = dict(found)
    partition = said.get(PARTITION)
    right = isinstance(partition, int) and not isinstance(partition, bool) and partition >= 0
    return replace(
        view,
        name=_text(said.get(NAME)) or view.name,
        partition=cast(int, partition) if right else None,
        kind=_KINDS.get(str(said.get(KIND)), "unknown"),
        tags=tuple(tag for each in str(said.get(TAGS, "")).split(",") if (tag := _text(each)))[
            :_MOST_SAID
        ],
        properties=dict(islice(_properties(said), _MOST_SAID)),
    )


def _claims(content: RecordDict) -> bool:
    """Whether somebody chose the name that is said in it."""
    found = content.get(NODE)
    return not isinstance(found, ConfigRecord) or found.get(CHOSEN) is not False


def _properties(said: Mapping[str, object]) -> Iterator[tuple[str, Property]]:
    for key, value in said.items():
        name = _text(key).replace("-", "_")
        if key not in _OWN_FIELDS and name and isinstance(value, bool | int | float | str):
            yield name, _text(value) if isinstance(value, str) else value


def _text(value: object) -> str:
    """A short text on one line, or nothing."""
    if not isinstance(value, str):
        return ""
    line = " ".join(value[: 8 * _MOST_TEXT].split())
    return "".join(filter(str.isprintable, line))[:_MOST_TEXT]


def _nameless(node_id: int) -> str:
    return f"node-{node_id & 0xFFFFFF:06x}"


def _another(name: str, node_id: int, taken: Mapping[str, int]) -> str:
    """That name with the end of the node's id, or with all of it where somebody has that, too."""
    short = f"{name[: _MOST_TEXT - 7]}~{node_id & 0xFFFFFF:06x}"
    return f"{name[: _MOST_TEXT - 17]}~{node_id:016x}" if short in taken else short


def _refusal(said: str, name: str) -> str:
    return f"it says that it is called {said}, which {NAME_OF_ANOTHER}; its own is {name}"


def _called(view: NodeView, name: str, known: _Known, verified: bool) -> NodeView:
    """A node by its name; one that is refused is not there."""
    refused = known.refused
    online = view.online and refused is None
    away = view.away if refused is None else refused
    return replace(view, name=name, verified=verified, refused=refused, online=online, away=away)


def _seen(view: NodeView, info: NodeInfo | None, report: NodeReport | None) -> NodeView:
    """A node with what is known of it now.

    Only a warm node polls whatever else it does: of another, which pauses for as long as it starts
    an app, the last poll says nothing.
    """
    age = report.last_poll_seconds if report is not None and view.kind == "warm" else None
    return replace(view, online=info is not None, last_seen_seconds=age)
