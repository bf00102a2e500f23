"""A policy set of many files is replaced at one moment, or not at all.

First all that the new set needs is written and synced beside what is there: each file that differs,
as `.NAME.pending`, and the version that it will be. One rename then makes that `.pending.json`, and
whoever reads the folder reads the new set. What is left to do are renames and removals, which need
no room on the disk; where a process is killed meanwhile, the next one does them.
"""

from __future__ import annotations

import stat
from contextlib import suppress
from pathlib import Path

import msgspec

from fedsight.policy import disk
from fedsight.policy.files import belongs
from fedsight.policy.version import FOLDER, PENDING, Version, kept_as, pending

_BESIDE = ".pending"


def replace(folder: Path, made: Version) -> None:
    """Make a version's texts the set in the folder; its lock is held, and nothing is unfinished.

    Raises OSError, and then the folder is as it was. Where only the last steps fail the new set
    counts nevertheless, and `finish` does them another time.
    """
    contents = {name: text.encode() for name, text in made.files.items()}
    mark = _beside(folder, PENDING)
    try:
        (folder / FOLDER).mkdir(exist_ok=True)
        for name, content in contents.items():
            _prepare(folder, name, content)
        disk.fresh(mark, msgspec.json.encode(made))
        disk.sync_folder(folder)
        mark.replace(folder / PENDING)
        disk.sync_folder(folder)
    except OSError:
        if _taken_back(folder):
            raise
    with suppress(OSError):
        finish(folder)


def _prepare(folder: Path, name: str, content: bytes) -> None:
    """Write a file's new content beside it, where it is another, with the rights of the old one."""
    there = folder / name
    if _content(there) == content:
        return
    beside = _beside(folder, name)
    disk.fresh(beside, content)
    with suppress(FileNotFoundError):
        beside.chmod(stat.S_IMODE(there.stat().st_mode))


def _taken_back(folder: Path) -> bool:
    """Take back what was written; False where that cannot be done, and the new set counts."""
    with suppress(OSError):
        (folder / PENDING).unlink(missing_ok=True)
    with suppress(OSError):
        clear(folder)
    return not (folder / PENDING).exists()


def unfinished(folder: Path) -> bool:
    """Whether a process was killed in a replacement, or is in one just now."""
    try:
        return any(entry.name == PENDING or _is_beside(entry.name) for entry in folder.iterdir())
    except OSError:
        return False


def finish(folder: Path) -> None:
    """Finish a replacement that counts, and remove what is left of one that does not; the lock is
    held. Raises OSError, and PolicyError where the mark of one is damaged."""
    found = pending(folder)
    if found is None:
        clear(folder)
        return
    names = {name for name in found.files if belongs(name) and "/" not in name}
    for name in names:
        _settle(folder, name, found.files[name].encode())
    for entry in folder.iterdir():
        if belongs(entry.name) and entry.name not in names:
            entry.unlink()
    disk.sync_folder(folder)
    _unmark(folder, found)
    clear(folder)


def _settle(folder: Path, name: str, content: bytes) -> None:
    there, beside = folder / name, _beside(folder, name)
    if _content(there) == content:
        return
    if _content(beside) == content:
        beside.replace(there)
    else:
        disk.written(there, content)


def _unmark(folder: Path, found: Version) -> None:
    """The set stands in its files: the mark becomes the version that is kept."""
    if found.number:
        (folder / FOLDER).mkdir(exist_ok=True)
        (folder / PENDING).replace(kept_as(folder, found.number))
        disk.sync_folder(folder / FOLDER)
    else:
        (folder / PENDING).unlink()
    disk.sync_folder(folder)


def clear(folder: Path) -> None:
    """Remove what was written beside the set's files. Raises OSError."""
    for entry in folder.iterdir():
        if _is_beside(entry.name):
            entry.unlink()


def _beside(folder: Path, name: str) -> Path:
    return folder / f".{name}{_BESIDE}"


def _is_beside(name: str) -> bool:
    of = name[1 : -len(_BESIDE)]
    return name.startswith(".") and name.endswith(_BESIDE) and (belongs(of) or of == PENDING)


def _content(path: Path) -> bytes | None:
    """What a file holds; None where it is no file."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        return None
