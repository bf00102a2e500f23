"""Policy sets as directories: reading one, and writing the default one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from importlib import resources
from pathlib import Path

from fedsight.errors import FedsightError, UsageError
from fedsight.policy.faults import Fault, PolicyError
from fedsight.policy.federation import FILE as FEDERATION_FILE
from fedsight.policy.ruleset import RULES, SCHEMA, TESTS, RuleSet, ruleset
from fedsight.policy.version import PENDING, pending

_MOST_FILES = 1000
#: Files that are changing are read again, so often at the most.
_MOST_READINGS = 20
_MOST_BYTES = 4 * 2**20


def belongs(name: str) -> bool:
    """Whether a file of that name is part of a policy set. Emacs' lock of one, a link to nowhere,
    is not."""
    if name.startswith(".#"):
        return False
    return name.endswith((RULES, TESTS)) or name in (SCHEMA, FEDERATION_FILE)


def texts(folder: Path) -> dict[str, str]:
    """The texts of a policy set's files, by name, as they stood together at one moment; what else
    lies in the folder is left alone.

    Raises PolicyError where the folder or one of them cannot be read.
    """
    try:
        for _ in range(_MOST_READINGS):
            before = signature(folder)
            with suppress(FileNotFoundError):  # one was removed meanwhile
                found = _read_once(folder)
                if signature(folder) == before:
                    return found
        return _read_once(folder)
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"
        raise PolicyError([Fault(str(error.filename or folder), None, message)]) from error


def signature(folder: Path) -> object:
    """What tells whether a set's file has changed; None where there is no folder."""
    try:
        with os.scandir(folder) as entries:
            return {
                entry.name: (stat.st_mtime_ns, stat.st_size, stat.st_ino)
                for entry in entries
                if belongs(entry.name) or entry.name == PENDING
                for stat in (entry.stat(),)
            }
    except OSError:
        return None


def _read_once(folder: Path) -> dict[str, str]:
    replacing = pending(folder)
    if replacing is not None:
        return {name: text for name, text in replacing.files.items() if belongs(name)}
    names = sorted(entry.name for entry in folder.iterdir() if belongs(entry.name))
    if len(names) > _MOST_FILES:
        raise PolicyError([Fault(str(folder), None, f"more than {_MOST_FILES} files")])
    return {name: _text(folder / name) for name in names}


def _text(path: Path) -> str:
    with path.open("rb") as file:
        found = file.read(_MOST_BYTES + 1)
    if len(found) > _MOST_BYTES:
        raise PolicyError([Fault(path.name, None, f"is larger than {_MOST_BYTES} bytes")])
    try:
        return found.decode("utf-8")
    except UnicodeDecodeError as error:
        raise PolicyError([Fault(path.name, None, f"is no UTF-8: {error.reason}")]) from error


def read(folder: Path) -> RuleSet:
    """The policy set in a folder. Raises PolicyError with everything that is wrong with it."""
    return ruleset(texts(folder))


def default_texts(of_node: bool = False) -> dict[str, str]:
    """The texts of the default set, which ships with fedsight; or of that of a node of its own."""
    folder = resources.files("fedsight.policy") / "defaults"
    folder = folder / "node" if of_node else folder
    return {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if belongs(entry.name)
    }


def default() -> RuleSet:
    """The default set."""
    return ruleset(default_texts())


def init(folder: Path, of_node: bool = False) -> list[str]:
    """Write the default set into a folder that has no policy set yet; returns the files' names.

    Raises UsageError where there is one.
    """
    found = default_texts(of_node)
    write(folder, found)
    return list(found)


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write a set's files into a folder that has none yet. Raises UsageError where it has."""
    vacant(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise FedsightError(f"cannot write to {folder}: {error.strerror or error}") from error


def vacant(folder: Path) -> None:
    """Raise UsageError where a folder has a policy set already."""
    try:
        taken = sorted(e.name for e in folder.iterdir() if belongs(e.name) or e.name == PENDING)
    except FileNotFoundError:
        return
    except OSError as error:
        raise FedsightError(f"cannot look into {folder}: {error.strerror or error}") from error
    if taken:
        raise UsageError(f"{folder} has a policy set already: {', '.join(taken[:3])}")
