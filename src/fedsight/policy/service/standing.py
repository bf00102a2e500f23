"""The trust of clients, as the runs of this data directory left it. Only read here."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedsight.errors import FedsightError
from fedsight.policy.request import Party, Request
from fedsight.policy.trust import Change, TrustBook, TrustRule


class Standings:
    """The trust book in a file, read again when it changes. One that cannot be read leaves what was
    known, and `fault` says so."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen: object = None
        self._book = TrustBook()
        self.fault: str | None = None

    def look(self) -> None:
        """Read the file where it has changed."""
        with self._lock:
            try:
                stat = self._path.stat()
            except OSError:
                return
            seen = stat.st_mtime_ns, stat.st_size, stat.st_ino
            if seen == self._seen:
                return
            self._seen, book = seen, TrustBook(self._book.rule)
            try:
                book.load(self._path)
            except FedsightError as error:
                self.fault = str(error)
                return
            self._book, self.fault = book, None

    @property
    def rule(self) -> TrustRule:
        """The numbers of the formula."""
        return self._book.rule

    def scores(self) -> Mapping[str, float]:
        """Everybody's score, now."""
        return self._book.scores(time.time_ns())

    def history(self, client: str) -> list[Change]:
        """The last changes of a client, oldest first."""
        return self._book.history(client)

    def lowered(self, request: Request) -> Request:
        """The request with the trust that is known here, where that is below what was claimed.

        A trust that was left out stays out: the rules refuse it.
        """
        who = request.principal
        claimed = who.attributes.get("trust")
        if who.type != "Client" or type(claimed) not in (int, float):
            return request
        if not self._book.history(who.id):
            return request
        known = self._book.score(who.id, request.time)
        if not known < claimed:  # type: ignore[operator]
            return request
        attributes: dict[str, Any] = {**who.attributes, "trust": known}
        return Request(
            Party(who.type, who.id, attributes, who.groups),
            request.action,
            request.time,
            request.resource,
            request.context,
            request.run,
            request.round,
        )
