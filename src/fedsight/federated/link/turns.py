"""When nodes worked on messages, as our SuperLink saw it, on this process's clock."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable
from urllib.parse import quote

from fedsight.federated.clock import Clock
from fedsight.federated.link.caller import Caller
from fedsight.federated.link.reports import (
    PREFIX,
    NodeReports,
    Span,
    TurnReport,
    TurnReports,
)
from fedsight.federated.link.wire import AwayError
from fedsight.federated.observation import Period, Turn

#: Turns that are kept and message ids in one question.
MOST_KEPT = 4096
MOST_IDS = 200
#: A reading of the other clock is as good as the way there and back was short; it ages.
FORGET_SECONDS = 600.0


class Turns:
    """Asks the SuperLink for the turns of messages that were answered, many at once.

    A SuperLink that is not ours knows none. Its clock may differ from ours by what the machines'
    clocks do: it is compared each time that nodes are asked for, to half the time of an answer.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._clock = Clock()
        self._ours = True
        self._shift = 0
        self._way = 0.0
        self._read_at = 0.0
        self._expected: OrderedDict[str, None] = OrderedDict()
        self._known: OrderedDict[str, Turn] = OrderedDict()

    def begin_anew(self) -> None:
        """Another SuperLink may be there now."""
        self._ours = True
        self._way = 0.0
        self._expected.clear()

    def reports(self) -> NodeReports | None:
        """What our SuperLink tells of its nodes; None where it is somebody else's."""
        if not self._ours:
            return None
        left = self._clock.now()
        found = self._caller.read(f"{PREFIX}/nodes", NodeReports)
        if found is None:
            self._ours = False
        else:
            self._compare(left, self._clock.now(), found.time)
        return found

    def expect(self, message_ids: Iterable[str]) -> None:
        """Those messages were answered: their turns are complete."""
        for message_id in message_ids:
            self._expected[message_id] = None
        while len(self._expected) > MOST_KEPT:
            self._expected.popitem(last=False)

    def turn(self, message_id: str) -> Turn | None:
        """When a node worked on that message; None where nobody knows."""
        if message_id not in self._known and message_id in self._expected:
            self._ask()
        return self._known.get(message_id)

    def _ask(self) -> None:
        if not self._ours or (self._way == 0.0 and not self._compared()):
            self._expected.clear()
            return
        wanted = list(self._expected)
        for at in range(0, len(wanted), MOST_IDS):
            ids = quote(",".join(wanted[at : at + MOST_IDS]), safe=",")
            try:
                found = self._caller.read(f"{PREFIX}/turns?ids={ids}", TurnReports)
            except AwayError:
                return  # a figure is not worth the wait: the next call waits
            for message_id, report in ({} if found is None else found.turns).items():
                self._known[message_id] = self._turn(report)
        self._expected.clear()
        while len(self._known) > MOST_KEPT:
            self._known.popitem(last=False)

    def _compared(self) -> bool:
        try:
            return self.reports() is not None
        except AwayError:
            return False

    def _compare(self, left: int, back: int, theirs: int) -> None:
        way, now = (back - left) / 1e9, time.monotonic()
        if self._way == 0.0 or way <= self._way or now - self._read_at > FORGET_SECONDS:
            self._way, self._read_at = way, now
            self._shift = (left + back) // 2 - theirs

    def _turn(self, report: TurnReport) -> Turn:
        return Turn(
            download=self._period(report.download),
            train=self._period(report.train),
            upload=self._period(report.upload),
        )

    def _period(self, span: Span | None) -> Period | None:
        return None if span is None else Period(span[0] + self._shift, span[1] + self._shift)
