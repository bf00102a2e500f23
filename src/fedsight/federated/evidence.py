"""What a round shows of the clients that were asked in it, as evidence for their trust."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from flwr.app import Message

from fedsight.federated.faults import REFUSED_BY_NODE, UPDATE_REJECTED
from fedsight.federated.rounds.exchange import Missed
from fedsight.policy.trust import Book, Change
from fedsight.policy.trust import Evidence as Piece

#: So much of a reason is kept.
MOST_NOTE = 300


@dataclass(frozen=True)
class Shown:
    """What a round showed: whom it `asked` and what they answered, by node id.

    `missed` says by what an answer was waited for no longer, where it may come yet; `samples` for
    how many each client's last update says it stands, `refused` whose updates policy did not take.
    """

    asked: Mapping[int, str]
    answers: Mapping[int, Message]
    missed: Mapping[int, Missed]
    samples: Mapping[str, int]
    refused: Collection[str]


class Evidence:
    """Takes what rounds of one run show into the trust of its clients. `suspected` says whether a
    client's updates are, by its name."""

    def __init__(self, trust: Book, run: str, suspected: Callable[[str], bool]) -> None:
        self._trust = trust
        self._run = run
        self._suspected = suspected

    def learn(self, shown: Shown, round: int, now: int) -> list[Change]:
        """Note all that a round showed, or nothing of it."""
        with self._trust.together():
            return [
                change
                for node_id, name in shown.asked.items()
                for change in self._trust.note_all(
                    name, list(self._of(shown, node_id, name)), now, run=self._run, round=round
                )
            ]

    def _of(self, shown: Shown, node_id: int, name: str) -> Iterator[Piece]:
        """All that it showed of one client."""
        reply = shown.answers.get(node_id)
        if reply is None or reply.has_error():
            yield from _fault(reply, shown.missed.get(node_id), name in shown.refused)
            return
        yield "answered", ""
        # How many samples there are is a claim: that there are any is all that counts.
        if shown.samples.get(name, 0) > 0:
            yield "contributed", ""
        if self._suspected(name):
            yield "suspected", "its updates are suspected"


def _fault(reply: Message | None, missed: Missed | None, refused: bool) -> Iterator[Piece]:
    """What an error, or that there is no answer, says of a client."""
    if reply is None:
        if missed == "deadline":
            yield "late", "no reply in time"
        elif missed != "quorum":  # else it had no time to be late
            yield "silent", "no reply"
        return
    reason = (reply.error.reason or "")[:MOST_NOTE]
    if reply.error.code == REFUSED_BY_NODE:  # it has the right to
        return
    if refused:
        yield "refused", reason
    else:
        yield "rejected" if reply.error.code == UPDATE_REJECTED else "failed", reason
