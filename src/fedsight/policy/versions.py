"""Versions of a policy set: who made which, when, how they differ, and the way back.

They lie in `.versions/` of the set's folder, a JSON file each. A set of many files is replaced at
one moment: `.pending.json` holds all of it, and whoever reads the folder reads that first.
"""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from fedsight.errors import FedsightError, UsageError
from fedsight.policy import disk
from fedsight.policy.faults import Fault, PolicyError
from fedsight.policy.files import PENDING, belongs, texts
from fedsight.policy.ruleset import RuleSet, ruleset

FOLDER = ".versions"
#: The note of a version that nobody gave one.
FOUND = "found in the folder"
_NAMED = re.compile(r"[0-9]{6}\.json")
_MOST = 999_999


class Version(Struct, frozen=True):
    """One version: its number, the beginning of its digest, and its texts by file name."""

    number: int
    version: str
    author: str
    time: int
    note: str
    files: dict[str, str]

    @property
    def when(self) -> str:
        """Its time, in UTC, to the second."""
        return f"{datetime.fromtimestamp(self.time / 1e9, UTC):%Y-%m-%d %H:%M:%S}Z"


class Versions:
    """The versions of the policy set in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._kept = folder / FOLDER

    def all(self) -> list[Version]:
        """Every version, oldest first; a file that is damaged is left out."""
        return [one for path in self._paths() if (one := self._read(path)) is not None]

    def page(self, limit: int, offset: int) -> tuple[list[Version], int]:
        """Versions from the newest on, and how many there are; a damaged one is left out."""
        paths = self._paths()[::-1]
        found = (self._read(path) for path in paths[offset : offset + limit])
        return [one for one in found if one is not None], len(paths)

    def newest(self) -> Version | None:
        """The newest version that is not damaged, None where there is none."""
        return next((one for path in reversed(self._paths()) if (one := self._read(path))), None)

    def get(self, number: int) -> Version:
        """A version by its number. Raises UsageError where there is none."""
        found = self._read(self._kept / f"{number:06}.json")
        if found is None:
            there = [one.number for one in self.all()]
            known = f"{there[0]} to {there[-1]}" if there else "none"
            raise UsageError(f"there is no policy version {number}; there are {known}")
        return found

    def record(self, taken: RuleSet, author: str, note: str = "") -> Version:
        """Keep a set as the newest version, unless it is that already."""
        newest = self.newest()
        if newest is not None and newest.files == dict(taken.files):
            return newest
        try:
            self._kept.mkdir(parents=True, exist_ok=True)
            number = (newest.number if newest else 0) + 1
            while number <= _MOST:
                files = dict(taken.files)
                made = Version(number, taken.version, author, time.time_ns(), note, files)
                if disk.created(self._kept / f"{number:06}.json", msgspec.json.encode(made)):
                    return made
                number += 1
        except OSError as error:
            raise FedsightError(f"cannot keep a policy version in {self._kept}: {error}") from error
        raise FedsightError(f"{self._kept} is full: {_MOST} versions")

    def record_found(self, taken: RuleSet, author: str) -> Version:
        """`record` what stands in the folder. One that is being replaced is first recorded by who
        replaces it, under its author. Raises OSError where the folder cannot be written."""
        with disk.locked(self.folder / ".lock"):
            return self.record(taken, author, FOUND)

    def replace(self, files: dict[str, str], author: str, note: str) -> Version:
        """Make these texts the set in the folder, once they are seen to be right.

        Raises PolicyError, with the folder as it was, where they are not.
        """
        taken = ruleset({name: text for name, text in files.items() if belongs(name)})
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with disk.locked(self.folder / ".lock"):
                before = self.newest() or self._unrecorded()
                if before is None:
                    self.record(taken, author, note)
                disk.written(self.folder / PENDING, msgspec.json.encode(dict(taken.files)))
                settle(self.folder)
                return self.record(taken, author, note)
        except OSError as error:
            raise FedsightError(f"cannot write to {self.folder}: {error}") from error

    def _unrecorded(self) -> Version | None:
        """What the folder held before its first version, recorded now, where it is right."""
        try:
            return self.record(ruleset(texts(self.folder)), "unknown", FOUND)
        except PolicyError:
            return None

    def rollback(self, number: int, author: str, note: str = "") -> Version:
        """Make an older version the newest. Raises UsageError where there is none."""
        told = f"back to version {number}" + (f": {note}" if note else "")
        return self.replace(self.get(number).files, author, told)

    def _paths(self) -> list[Path]:
        try:
            return sorted(one for one in self._kept.iterdir() if _NAMED.fullmatch(one.name))
        except OSError:
            return []

    @staticmethod
    def _read(path: Path) -> Version | None:
        try:
            return msgspec.json.decode(path.read_bytes(), type=Version)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None


def settle(folder: Path) -> None:
    """Finish a replacement that was begun: write out what is pending. Raises OSError."""
    try:
        pending = msgspec.json.decode((folder / PENDING).read_bytes(), type=dict[str, str])
    except FileNotFoundError:
        return
    except msgspec.MsgspecError as error:
        raise PolicyError([Fault(PENDING, None, f"is damaged: {error}; remove it")]) from error
    for name, text in pending.items():
        if belongs(name) and "/" not in name:
            disk.written(folder / name, text.encode())
    for entry in folder.iterdir():
        if belongs(entry.name) and entry.name not in pending:
            entry.unlink()
    (folder / PENDING).unlink()
    disk.sync_folder(folder)


def difference(before: dict[str, str], after: dict[str, str], names: tuple[str, str]) -> str:
    """How two versions' files differ, as a unified diff; empty where they do not."""
    return "\n".join(
        line for name in sorted({*before, *after}) for line in _of(name, before, after, names)
    )


def _of(
    name: str, before: dict[str, str], after: dict[str, str], names: tuple[str, str]
) -> Iterator[str]:
    one, other = before.get(name, "").splitlines(), after.get(name, "").splitlines()
    labels = (f"{names[0]}/{name}", f"{names[1]}/{name}")
    yield from difflib.unified_diff(one, other, *labels, lineterm="")
