"""Signs a trail's head where it is time, in a thread of its own, so that nobody who records has to
wait for the disk."""

from __future__ import annotations

import logging
import threading

from fedsight.policy.audit import AuditError, Trail

log = logging.getLogger(__name__)

#: So long the last head is waited for, in the end.
END_SECONDS = 30.0
#: So often it is looked whether it is time, also where nobody records anything.
LOOK_SECONDS = 5.0


class Heads:
    """The heads of a trail that stays open for as long as the context does, and longer.

    Where a head could not be signed or did not reach the disk, `check` raises AuditError until one
    did: nobody records on and on what a loss of power would take away. So it does where the disk
    does not answer for too long, and for good where it said that it could not write.
    """

    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._fault: AuditError | None = None
        self._due = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._sign_on, name="audit-heads", daemon=True)

    def __enter__(self) -> Heads:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._due.set()
        self._thread.join(END_SECONDS)
        if self._thread.is_alive():
            log.warning("the head of the audit trail is not on disk after %g s", END_SECONDS)

    def check(self) -> None:
        """Raise AuditError where the last head was not seen on disk; it is tried again then."""
        fault = self._fault or self._trail.fault
        if fault is not None:
            self._due.set()
            raise fault

    def look(self) -> None:
        """Something was recorded: sign the head where it is time."""
        if self._trail.due:
            self._due.set()

    def _sign_on(self) -> None:
        while True:
            self._due.wait(LOOK_SECONDS)
            self._due.clear()
            if self._over:
                return
            try:
                self._trail.sign(due=self._fault is None)
                self._fault = None
            except Exception as error:  # whatever it is, nobody may record on without heads
                self._fault = error if isinstance(error, AuditError) else AuditError(str(error))
