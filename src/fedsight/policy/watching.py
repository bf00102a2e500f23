"""The policy set in force: read again when its folder changes, and kept when that goes wrong."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from fedsight.errors import FedsightError
from fedsight.policy import disk
from fedsight.policy.engine import Engine
from fedsight.policy.faults import PolicyError
from fedsight.policy.files import belongs, signature, texts
from fedsight.policy.ruleset import RuleSet, ruleset
from fedsight.policy.versions import Versions
from fedsight.signals import Event, Json

log = logging.getLogger(__name__)

SOURCE = "policy"
CHANGED, REFUSED = "POLICY_VERSION_UPDATED", "POLICY_SET_REFUSED"

#: Files that are being saved are read again after so long, until two readings are equal.
SETTLE_SECONDS = 0.05
_MOST_READINGS = 20
_MOST_TOLD = 20

Tell = Callable[[Event], None]


class InForce:
    """The engine of the set in `folder`, as it was when it was last right.

    `look` takes a new set where there is one. A set that is wrong, or a folder that is gone, leaves
    the one in force as it is: `fault` says so, and `tell` is given an event, once. Where the set is
    wrong from the beginning, the newest recorded version is in force; without one, PolicyError.
    A decision is made by one engine: whoever holds it over a change decides by the old set.
    """

    def __init__(self, folder: Path, tell: Tell = lambda _: None, *, observe: bool = False) -> None:
        self.folder = folder
        self.versions = Versions(folder)
        self.fault: str | None = None
        self._tell = tell
        self._observe = observe
        self._lock = threading.Lock()
        self._unfinished: str | None = None
        self._unrecorded: RuleSet | None = None
        self._kept = ""
        self._finish()
        self._seen: object = signature(folder)
        self._texts: Mapping[str, str] = {}
        try:
            self._texts = texts(folder)
            taken = ruleset(self._texts)
            self._record(taken)
        except PolicyError as error:
            taken = self._recorded(error)
        self.engine = Engine(taken, observe=observe)

    @property
    def files(self) -> Mapping[str, str]:
        """The texts of the set in force with its newest tests, by file name."""
        return self.engine.ruleset.files if self.fault else self._texts

    @property
    def complaint(self) -> str | None:
        """What is wrong with the folder: `fault`, or what cannot be written there."""
        fault, unfinished = self.fault, self._unfinished
        if fault is not None:
            return fault
        if unfinished is not None:
            return f"a change of the policy set cannot be finished: {unfinished}"
        if self._unrecorded is not None:
            return f"the policy set in force is not recorded as a version: {self._kept}"
        return None

    def look(self) -> bool:
        """Take the folder's set where it has changed and is right; whether there is a new one."""
        with self._lock:
            self._finish()
            seen = signature(self.folder)
            if seen == self._seen and (self.fault is None or seen is not None):
                if self._unrecorded is not None:
                    self._record(self._unrecorded)
                return False
            try:
                found = self._settled()
                taken = ruleset(found)
            except PolicyError as error:
                self._seen = seen
                self._keep(error)
                return False
            self._seen, self.fault, self._texts = seen, None, found
            if taken.version == self.engine.version:
                self._record(taken)  # its tests may be others
                return False
            return self._take(taken)

    def _finish(self) -> None:
        """Do what a process left that was killed while it replaced the set; it counts anyway."""
        try:
            self.versions.finish(self._patience)
            self._unfinished = None
        except (FedsightError, OSError) as error:
            if str(error) != self._unfinished:
                self._unfinished = str(error)
                log.warning("a change of the policy set cannot be finished: %s", error)

    @property
    def _patience(self) -> float | None:
        """Who kept the folder when it was looked at last is not waited for again."""
        return None if self._unfinished is None and self._unrecorded is None else 0.0

    def _take(self, taken: RuleSet) -> bool:
        before = self.engine.version
        self.engine = Engine(taken, observe=self._observe)
        self._record(taken)
        details: dict[str, Json] = {"before": before, "version": taken.version}
        details |= {"rules": len(taken.rules), "warnings": list(taken.warnings)}
        self._tell(_event(CHANGED, details))
        return True

    def _record(self, taken: RuleSet) -> None:
        """Keep it as a version. A folder that cannot be written has none: the set counts anyway.
        One that another process keeps is looked at again."""
        known, patience = self._unrecorded is not None, self._patience
        self._unrecorded = None
        try:
            self.versions.record_found(taken, _author(self.folder), patience)
        except disk.KeptError as error:
            self._unrecorded, self._kept = taken, str(error)
            if not known and self._unfinished is None:
                log.warning("%s", self.complaint)
        except (FedsightError, OSError):
            pass

    def _keep(self, error: PolicyError) -> None:
        fault = str(error)
        if fault == self.fault:
            return
        self.fault = fault
        told = [str(one) for one in error.faults[:_MOST_TOLD]]
        version = self.engine.version
        message = f"the policy set is not taken, version {version} stays in force: {fault}"
        self._tell(_event(REFUSED, {"message": message, "faults": told, "version": version}))

    def _recorded(self, error: PolicyError) -> RuleSet:
        newest = self.versions.newest()
        if newest is None:
            raise error
        taken = ruleset(newest.files)
        self.fault = str(error)
        message = f"the policy set is wrong, recorded version {newest.number} is in force: {error}"
        self._tell(_event(REFUSED, {"message": message, "version": taken.version}))
        return taken

    def _settled(self) -> dict[str, str]:
        """The texts once two readings are equal: an editor may be saving one after the other."""
        found = texts(self.folder)
        for _ in range(_MOST_READINGS):
            time.sleep(SETTLE_SECONDS)
            again = texts(self.folder)
            if again == found:
                break
            found = again
        return found


def _author(folder: Path) -> str:
    """Who owns the file that was changed last. Raises OSError."""
    newest = max(
        (entry for entry in folder.iterdir() if belongs(entry.name)),
        key=lambda entry: entry.stat().st_mtime_ns,
    )
    try:
        return newest.owner()
    except KeyError:
        return str(newest.stat().st_uid)


def _event(kind: str, details: dict[str, Json]) -> Event:
    return Event(time.time_ns(), SOURCE, kind, details=details)
