"""Refusals as events: journaled on disk, and shipped while a collector answers."""

from __future__ import annotations

import logging
import secrets
import threading
from pathlib import Path

from fedsight.errors import JournalError
from fedsight.federated.link.reports import Refusal
from fedsight.journal import Journal, Shipper, Sink
from fedsight.signals import Batch, Event, Json

logger = logging.getLogger(__name__)

SOURCE = "superlink"
FLUSH_SECONDS = 1.0


class RefusalJournal:
    """A journal of a SuperLink's own in `folder`, made when there is a first refusal to keep.

    `sink` is where a collector takes its records; without one they wait for whoever collects from
    the folder. Safe to use from any thread; `close` it.
    """

    def __init__(self, folder: Path, sink: Sink | None = None) -> None:
        self._folder = folder
        self._sink = sink
        self._lock = threading.Lock()
        self._journal: Journal | None = None
        self._shipper: Shipper | None = None

    def note(self, refusal: Refusal) -> None:
        """Journal a refusal. What cannot be written is logged: the door stays shut all the same."""
        try:
            with self._lock:
                self._opened().append(Batch(events=[event_of(refusal)]))
        except JournalError as error:
            logger.warning("a refusal was not journaled: %s", error)

    def close(self) -> None:
        """Ship what waits, for a moment, and close; what is left is fetched from the folder."""
        with self._lock:
            if self._shipper is not None:
                self._shipper.flush(FLUSH_SECONDS)
                self._shipper.close()
            if self._journal is not None:
                self._journal.close()
            self._journal = self._shipper = None

    def _opened(self) -> Journal:
        if self._journal is None:
            self._journal = Journal(self._folder, f"{SOURCE}-{secrets.token_hex(4)}")
            if self._sink is not None:
                self._shipper = Shipper(self._journal, self._sink).start()
        return self._journal


def event_of(refusal: Refusal) -> Event:
    """The event that a refusal is."""
    times = f", {refusal.count} times" if refusal.count > 1 else ""
    details: dict[str, Json] = {
        "key": refusal.key,
        "address": refusal.address,
        "path": refusal.path,
        "reason": refusal.reason,
        "count": refusal.count,
        "message": f"{_what(refusal)}: key {refusal.key} from {refusal.address}{times}",
    }
    if refusal.name:
        details["name"] = refusal.name
    return Event(refusal.time, SOURCE, "NODE_REFUSED", details=details)


def _what(refusal: Refusal) -> str:
    return f"{refusal.reason}, {refusal.name}" if refusal.name else refusal.reason
