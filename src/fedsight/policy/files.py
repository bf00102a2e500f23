"""Policy sets as directories: reading one, and writing the default one."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import msgspec

from fedsight.errors import FedsightError, UsageError
from fedsight.policy.faults import Fault, PolicyError
from fedsight.policy.federation import FILE as FEDERATION_FILE
from fedsight.policy.ruleset import RULES, SCHEMA, TESTS, RuleSet, ruleset

#: A whole set that is about to replace the one in its folder.
PENDING = ".pending.json"

_MOST_FILES = 1000
_MOST_BYTES = 4 * 2**20


def belongs(name: str) -> bool:
    """Whether a file of that name is part of a policy set."""
    return name.endswith((RULES, TESTS)) or name in (SCHEMA, FEDERATION_FILE)


def texts(folder: Path) -> dict[str, str]:
    """The texts of a policy set's files, by name; what else lies in the folder is left alone.

    Raises PolicyError where the folder or one of them cannot be read.
    """
    try:
        pending = _pending(folder)
        if pending is not None:
            return pending
        names = sorted(entry.name for entry in folder.iterdir() if belongs(entry.name))
        if len(names) > _MOST_FILES:
            raise PolicyError([Fault(str(folder), None, f"more than {_MOST_FILES} files")])
        return {name: _text(folder / name) for name in names}
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"
        raise PolicyError([Fault(str(error.filename or folder), None, message)]) from error


def _pending(folder: Path) -> dict[str, str] | None:
    """A set that is to replace the folder's: it counts as soon as it is there."""
    try:
        found = msgspec.json.decode((folder / PENDING).read_bytes(), type=dict[str, str])
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PolicyError([Fault(PENDING, None, f"is damaged: {error}; remove it")]) from error
    return {name: text for name, text in found.items() if belongs(name)}


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
    try:
        folder.mkdir(parents=True, exist_ok=True)
        taken = sorted(entry.name for entry in folder.iterdir() if belongs(entry.name))
        if taken:
            raise UsageError(f"{folder} has a policy set already: {', '.join(taken[:3])}")
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise FedsightError(f"cannot write to {folder}: {error.strerror or error}") from error
