"""The trust of clients, as runs of this data directory and the service itself have it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from fedsight.errors import FedsightError
from fedsight.policy.request import Party, Request
from fedsight.policy.shared_trust import SharedTrust
from fedsight.policy.trust import Change, TrustRule

T = TypeVar("T")


class Standings:
    """The trust book of the data directory, which governed runs write, too. Where it cannot be read
    nothing is known, and `fault` says so."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._book: SharedTrust | None = None
        self.rule = TrustRule()
        self.fault: str | None = None

    def look(self) -> None:
        """Open the file where it was not to be had before."""
        with suppress(FedsightError):
            self.book()

    def book(self) -> SharedTrust:
        """The book. Raises FedsightError where it cannot be opened."""
        if (book := self._book) is not None:  # without waiting for who opens or closes it
            return book
        with self._lock:
            if self._book is None:
                try:
                    self._book = SharedTrust(self._path, self.rule)
                except FedsightError as error:
                    self.fault = str(error)
                    raise
                self.fault = None
            return self._book

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._book is not None:
                self._book.close()
                self._book = None

    def scores(self) -> Mapping[str, float]:
        """Everybody's score, now."""
        return self._asked(lambda book: book.scores(time.time_ns()), {})

    def history(self, client: str) -> list[Change]:
        """The last changes of a client, oldest first."""
        return self._asked(lambda book: book.history(client), [])

    def _asked(self, what: Callable[[SharedTrust], T], nothing: T) -> T:
        try:
            found = what(self.book())
        except FedsightError as error:
            self.fault = str(error)
            return nothing
        self.fault = None
        return found

    def lowered(self, request: Request) -> Request:
        """The request with the trust that is known here, where that is below what was claimed.

        A trust that was left out stays out: the rules refuse it. Where the book cannot be read, no
        claim can be checked: it is left out, too.
        """
        who = request.principal
        claimed = who.attributes.get("trust")
        if who.type != "Client" or type(claimed) not in (int, float):
            return request
        attributes: dict[str, Any] = dict(who.attributes)
        try:
            known = self.book().known(who.id, request.time)
        except FedsightError as error:
            self.fault = str(error)
            del attributes["trust"]
        else:
            self.fault = None
            if known is None or not known < claimed:  # type: ignore[operator]
                return request
            attributes["trust"] = known
        return Request(
            Party(who.type, who.id, attributes, who.groups),
            request.action,
            request.time,
            request.resource,
            request.context,
            request.run,
            request.round,
        )
