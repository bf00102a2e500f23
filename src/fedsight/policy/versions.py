"""Versions of a policy set: who made which, when, how they differ, and the way back.

They lie in `.versions/` of the set's folder, a JSON file each. A set of many files is replaced at
one moment (`replacing`).
"""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct

from fedsight.errors import FedsightError, UsageError
from fedsight.policy import disk, replacing
from fedsight.policy.faults import PolicyError
from fedsight.policy.files import belongs, texts
from fedsight.policy.ruleset import RuleSet, ruleset
from fedsight.policy.version import FOLDER, PENDING, Version, kept_as

#: Held by whoever changes the folder.
LOCK = ".lock"
#: The note of a version that nobody gave one.
FOUND = "found in the folder"
_NAMED = re.compile(r"[0-9]{6}\.json")
_MOST = 999_999
#: Files with more lines are compared roughly.
_MOST_LINES = 5000

Kind = TypeVar("Kind", bound=Struct)


class Told(Struct, frozen=True):
    """A version without its files, which may be large."""

    number: int
    version: str
    author: str
    time: int
    note: str


class Versions:
    """The versions of the policy set in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._kept = folder / FOLDER

    def all(self) -> list[Version]:
        """Every version, oldest first; a file that is damaged is left out."""
        return [one for path in self._paths() if (one := self._read(path)) is not None]

    def page(self, limit: int, offset: int) -> tuple[list[Told], int]:
        """Versions from the newest on without their files, and how many there are; a damaged one
        is left out."""
        paths = self._paths()[::-1]
        found = (_told(path) for path in paths[offset : offset + limit])
        return [one for one in found if one is not None], len(paths)

    def newest(self) -> Version | None:
        """The newest version that is not damaged, None where there is none."""
        return next((one for path in reversed(self._paths()) if (one := self._read(path))), None)

    def get(self, number: int) -> Version:
        """A version by its number. Raises UsageError where there is none."""
        there = self._numbered()
        found = self._read(there[number]) if number in there else None
        if found is None:
            known = f"{min(there)} to {max(there)}" if there else "none"
            raise UsageError(f"there is no policy version {number}; there are {known}")
        return found

    def record(self, taken: RuleSet, author: str, note: str = "") -> Version:
        """Keep a set as the newest version, unless it is that already."""
        try:
            return self._recorded(taken, author, note)
        except OSError as error:
            raise FedsightError(f"cannot keep a policy version in {self._kept}: {error}") from error

    def _recorded(self, taken: RuleSet, author: str, note: str) -> Version:
        """The same. Raises OSError where it cannot be written."""
        newest = self.newest()
        if newest is not None and newest.files == dict(taken.files):
            return newest
        self._kept.mkdir(parents=True, exist_ok=True)
        made = self._next(taken, author, note)
        while not disk.created(kept_as(self.folder, made.number), msgspec.json.encode(made)):
            made = self._next(taken, author, note)
        return made

    def record_found(self, taken: RuleSet, author: str, seconds: float | None = None) -> Version:
        """`record` what stands in the folder. One that is being replaced is first recorded by who
        replaces it, under its author; that is waited for as in `disk.locked`. Raises OSError where
        the folder cannot be written, KeptError where another process keeps it."""
        with disk.locked(self.folder / LOCK, seconds):
            return self.record(taken, author, FOUND)

    def replace(
        self,
        files: Mapping[str, str],
        author: str,
        note: str,
        check: Callable[[], None] = lambda: None,
    ) -> Version:
        """Make these texts the set in the folder, once they are seen to be right. `check` raises
        where they are not to replace what lies there, while nobody else can change it.

        Raises PolicyError where they are wrong, FedsightError where they cannot be written; then
        the folder is as it was.
        """
        taken = ruleset({name: text for name, text in files.items() if belongs(name)})
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with disk.locked(self.folder / LOCK):
                replacing.finish(self.folder)
                check()
                newest = self.newest() or self._unrecorded()
                made = newest if newest and newest.files == taken.files else None
                made = made or self._next(taken, author, note)
                replacing.replace(self.folder, made)
                return made
        except OSError as error:
            message = f"cannot write to {self.folder}: {error.strerror or error}"
            raise FedsightError(f"{message}; the policy set is as it was") from error

    def finish(self, seconds: float | None = None) -> None:
        """Finish what a killed process began. Raises OSError, PolicyError where that cannot be
        done; a set that is to replace the folder's counts anyway."""
        if replacing.unfinished(self.folder):
            with disk.locked(self.folder / LOCK, seconds):
                replacing.finish(self.folder)

    def _next(self, taken: RuleSet, author: str, note: str) -> Version:
        """The version that a set will be. Raises FedsightError where there are too many."""
        number = max(self._numbered(), default=0) + 1
        if number > _MOST:
            raise FedsightError(f"{self._kept} is full: {_MOST} versions")
        return Version(number, taken.version, author, time.time_ns(), note, dict(taken.files))

    def _unrecorded(self) -> Version | None:
        """What the folder held before its first version, recorded now, where it is right."""
        try:
            return self._recorded(ruleset(texts(self.folder)), "unknown", FOUND)
        except PolicyError:
            return None

    def rollback(self, number: int, author: str, note: str = "") -> Version:
        """Make an older version the newest. Raises UsageError where there is none."""
        told = f"back to version {number}" + (f": {note}" if note else "")
        return self.replace(self.get(number).files, author, told)

    def _paths(self) -> list[Path]:
        """The files of all versions, oldest first."""
        there = self._numbered()
        return [there[number] for number in sorted(there)]

    def _numbered(self) -> dict[int, Path]:
        """The files of all versions by number; the newest may not have been put there yet."""
        found: dict[int, Path] = {}
        with suppress(OSError):
            kept = [one for one in self._kept.iterdir() if _NAMED.fullmatch(one.name)]
            found = {int(one.stem): one for one in kept}
        waiting = _told(self.folder / PENDING)
        if waiting is not None:
            found.setdefault(waiting.number, self.folder / PENDING)
        return found

    @staticmethod
    def _read(path: Path) -> Version | None:
        return _decoded(path, Version)


def _told(path: Path) -> Told | None:
    return _decoded(path, Told)


def _decoded(path: Path, kind: type[Kind]) -> Kind | None:
    """What a file says, None where it is damaged or not there."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


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
    if max(len(one), len(other)) > _MOST_LINES:
        yield from _roughly(one, other, labels)
    else:
        yield from difflib.unified_diff(one, other, *labels, lineterm="")


def _roughly(one: list[str], other: list[str], labels: tuple[str, str]) -> Iterator[str]:
    """All between the first line that differs and the last, where comparing all would take long."""
    if one == other:
        return
    pairs = zip(one, other, strict=False)
    head = next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
    ends = zip(reversed(one[head:]), reversed(other[head:]), strict=False)
    least = min(len(one), len(other)) - head
    tail = next((at for at, (a, b) in enumerate(ends) if a != b), least)
    gone, came = one[head : len(one) - tail], other[head : len(other) - tail]
    yield from (f"--- {labels[0]}", f"+++ {labels[1]}")
    yield f"@@ -{head + 1},{len(gone)} +{head + 1},{len(came)} @@"
    yield from (f"-{line}" for line in gone)
    yield from (f"+{line}" for line in came)
