"""Answers that come after their round was closed: an account of them, so that none counts twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flwr.app import Message

#: An answer that is not there so long after its round was closed is not waited for any more.
MOST_SECONDS = 600.0


@dataclass(frozen=True)
class LateAnswer:
    """An answer, which node it is of, and how long after its round was closed it came."""

    node_id: int
    seconds: float
    message: Message


class Late:
    """Knows what was asked and not answered in time; `rule` is one of `plan.rounds.LATE`.

    `on_late` is told of each late answer that is counted or used. What has not come
    `most_seconds` after its round was closed is expected no longer.
    """

    def __init__(
        self,
        rule: str,
        on_late: Callable[[LateAnswer], None] = lambda _: None,
        most_seconds: float = MOST_SECONDS,
    ) -> None:
        self._rule = rule
        self._on_late = on_late
        self.most_seconds = most_seconds
        self._expected: dict[str, tuple[int, float]] = {}
        self._usable: dict[int, Message] = {}

    @property
    def expected(self) -> Mapping[str, object]:
        """Messages, by id, whose answers may still come."""
        return self._expected

    @property
    def busy(self) -> set[int]:
        """Nodes that still owe an answer: what is sent to them now would wait behind it."""
        self._let_go()
        return {node_id for node_id, _ in self._expected.values()}

    def expect(self, nodes: Mapping[str, int], closed: float) -> None:
        """These messages (id -> node) were not answered when their round was closed."""
        self._let_go()
        self._expected |= {message_id: (node_id, closed) for message_id, node_id in nodes.items()}

    def _let_go(self) -> None:
        """Expect no longer what is too old."""
        oldest = time.monotonic() - self.most_seconds
        for message_id, (_, since) in list(self._expected.items()):
            if since < oldest:
                del self._expected[message_id]

    def arrived(self, reply: Message) -> None:
        """An answer that no open round waits for; one that is not expected either is nothing."""
        found = self._expected.pop(reply.metadata.reply_to_message_id, None)
        if found is None or reply.has_error() or self._rule == "drop":
            return
        node_id, closed = found
        self._on_late(LateAnswer(node_id, time.monotonic() - closed, reply))
        if self._rule == "use":
            self._usable[node_id] = reply

    def forget(self) -> None:
        """Expect nothing any more: what was asked is gone."""
        self._expected.clear()
        self._usable.clear()

    def usable(self, answered: set[int]) -> list[Message]:
        """Late answers to use now, by node id; those of nodes that have `answered` are not."""
        found = [one for node_id, one in sorted(self._usable.items()) if node_id not in answered]
        self._usable.clear()
        return found
