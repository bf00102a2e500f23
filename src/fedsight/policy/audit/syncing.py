"""Brings the trail's files to the disk, and remembers where that failed, or does not end."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from fedsight.policy import disk
from fedsight.policy.audit import failing
from fedsight.policy.audit.record import AuditError

#: What takes longer to reach the disk may never reach it.
LATE_SECONDS = 10.0


class Disk:
    """The disk below the trail in `folder`, as this process has come to know it. Safe to use from
    any thread.

    Linux says once that it could not write what a file holds, and then takes it for written: the
    next fsync succeeds, whatever was lost. So one that failed is never tried again.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # One after the other: who comes second must hear what the first was told.
        self._turn = threading.Lock()
        self._begun: dict[int, float] = {}
        self._failed: str | None = None

    @property
    def fault(self) -> AuditError | None:
        """Why nothing may be recorded: what was may be lost, or is under way for too long."""
        failed = self._failed
        if failed is not None:
            return failing.unsynced(self._folder, failed)
        begun = min(tuple(self._begun.values()), default=None)
        if begun is not None and time.monotonic() - begun > LATE_SECONDS:
            return failing.late(self._folder, LATE_SECONDS)
        return None

    def check(self) -> None:
        """Raise AuditError where nothing may be recorded."""
        fault = self.fault
        if fault is not None:
            raise fault

    def sync(self, file: int) -> None:
        """See an open file on disk. Raises AuditError, also where that failed before."""
        self._bring(lambda: os.fsync(file))

    def sync_folder(self) -> None:
        """The same of the folder, to which a file came."""
        self._bring(lambda: disk.sync_folder(self._folder))

    def _bring(self, what: Callable[[], None]) -> None:
        me = threading.get_ident()
        self._begun[me] = time.monotonic()
        try:
            with self._turn:
                if self._failed is not None:
                    raise failing.unsynced(self._folder, self._failed)
                try:
                    what()
                except OSError as error:
                    self._failed = error.strerror or str(error)
                    raise failing.unsynced(self._folder, self._failed) from error
        finally:
            del self._begun[me]
