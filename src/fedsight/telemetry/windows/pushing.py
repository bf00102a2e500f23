"""Brings rows that are on disk to dataClay: at once if it answers, else when it does again."""

from __future__ import annotations

import logging
import threading
import time

from fedsight.errors import told
from fedsight.telemetry.windows.contract import Added, WindowError
from fedsight.telemetry.windows.frames import Rows, rows_of
from fedsight.telemetry.windows.local import LocalWindows
from fedsight.telemetry.windows.objects import LostError, Objects

log = logging.getLogger(__name__)

#: Seconds until dataClay is asked again after it did not answer.
RETRY_SECONDS = 2.0


class Pushing:
    """Keeps dataClay's windows what the copy on disk is. Threads may share it."""

    def __init__(self, copy: LocalWindows, objects: Objects) -> None:
        self._copy = copy
        self._objects = objects
        #: What dataClay has not got: rows, or None for a whole window. At first all may be missing.
        self._behind: dict[str, Rows | None] = dict.fromkeys(copy.nodes())
        self._brought: set[str] = set()
        self._noting = threading.Lock()
        self._bringing = threading.Lock()
        self._retry_at = 0.0
        self._is_away = False
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._catch_up, name="windows", daemon=True)
        self._thread.start()

    def add(self, node: str, rows: Rows) -> Added:
        """Put rows on disk, then into dataClay if it answers."""
        added = self._copy.add(node, rows)
        if self._copy.figures(node) is None:
            return added
        with self._noting:
            self._behind[node] = None if node in self._behind else rows
        self._bring()
        return added

    def _catch_up(self) -> None:
        while not self._ending.wait(RETRY_SECONDS / 2):
            try:
                if self._behind:
                    self._bring()
            except Exception as error:  # the loop must outlive a bug: nobody else tries again
                log.error("bringing windows to dataClay met a fault: %s", told(error))

    def _bring(self) -> None:
        """Bring what is behind; one thread does, and others do not wait for long."""
        if not self._bringing.acquire(timeout=RETRY_SECONDS):
            return
        try:
            if time.monotonic() >= self._retry_at:
                self._bring_all()
                self._note_back()
        except WindowError as error:
            self._retry_at = time.monotonic() + RETRY_SECONDS
            if not self._is_away:
                log.warning("%s; rows wait on disk until it is back", error)
            self._is_away = True
        finally:
            self._bringing.release()

    def _bring_all(self) -> None:
        with self._noting:
            behind, self._behind = self._behind, {}
        all_there = False
        try:
            for node, rows in behind.items():
                self._bring_one(node, rows)
            self._let_go(behind.keys() - self._brought)
            self._brought |= behind.keys()
            if behind:
                self._objects.flush()
            all_there = True
        finally:
            if not all_there:
                with self._noting:
                    self._behind.update(dict.fromkeys(behind))

    def _let_go(self, new: set[str]) -> None:
        """Where new nodes came and there are too many: those whose place on disk they took."""
        there = self._objects.nodes() if new else []
        if len(there) > self._copy.max_nodes:
            for node in set(there) - set(self._copy.nodes()):
                self._objects.remove(node)

    def _bring_one(self, node: str, rows: Rows | None) -> None:
        try:
            self._put(node, self._whole(node) if rows is None else rows)
        except LostError:
            self._objects.remove(node)
            self._put(node, self._whole(node))

    def _whole(self, node: str) -> Rows:
        return rows_of(self._copy.window(node).get_dataframe())

    def _put(self, node: str, rows: Rows) -> None:
        self._objects.add(node, rows, self._copy.extent, self._copy.now())

    def _note_back(self) -> None:
        if self._is_away:
            log.warning("dataClay answers again and has all rows")
        self._is_away = False

    def close(self) -> None:
        """Stop. What is behind is brought by the next one, from the disk."""
        self._ending.set()
        self._thread.join(RETRY_SECONDS)
