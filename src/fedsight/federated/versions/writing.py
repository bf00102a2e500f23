"""Files that are whole or not there: draft, fsync, rename, fsync of the folder.

A draft's name begins with a dot and ends with `.part`; a manifest on its way out ends with
`.gone`. Both are leftovers where the process that made them was killed.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

DRAFT, GONE = ".part", ".gone"


def draft_of(path: Path) -> Path:
    """Where `path` is written before it is renamed."""
    return path.with_name(f".{path.name}{DRAFT}")


def gone_of(path: Path) -> Path:
    """What the manifest at `path` is called while its model is removed."""
    return path.with_name(f".{path.name}{GONE}")


def replace_file(path: Path, content: bytes) -> None:
    """Write one file, in the place of what is there. Raises OSError; then that is as it was."""
    draft = draft_of(path)
    try:
        _write(draft, content)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent)


def write_pair(manifest: Path, said: bytes, model: Path, content: bytes) -> None:
    """Write a version that is not there yet: both drafts first, the manifest's name last of all.

    Raises OSError; then nothing of the version is there.
    """
    drafts = {model: draft_of(model), manifest: draft_of(manifest)}
    try:
        _write(drafts[model], content)
        _write(drafts[manifest], said)
        for path, draft in drafts.items():
            draft.replace(path)
        sync_folder(manifest.parent)
    except BaseException:
        remove_pair(manifest, model)
        raise
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make the folder and those above it; what was made is there after a power failure too."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Put the names in a folder on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_pair(manifest: Path, model: Path) -> None:
    """Remove a version: killed at any point, it is there as a whole, or is a leftover."""
    gone = gone_of(manifest)
    with suppress(FileNotFoundError):
        manifest.replace(gone)
    model.unlink(missing_ok=True)
    gone.unlink(missing_ok=True)


def is_leftover(manifest: Path, model: Path) -> bool:
    """Whether a killed process left the model without its manifest, as opposed to damage."""
    return model.exists() and (draft_of(manifest).exists() or gone_of(manifest).exists())


def remove_leftovers(folder: Path) -> int:
    """Clean a run's folder of what killed processes left; returns how many files.

    Only for who holds the store's lock: a draft may be another process's work.
    """
    removed = 0
    for path in sorted(folder.iterdir()):
        if not (path.name.startswith(".") and path.suffix in (DRAFT, GONE)):
            continue
        manifest = path.with_name(path.name[1:].removesuffix(path.suffix))
        if manifest.suffix == ".json" and not manifest.exists():
            model = manifest.with_suffix(".safetensors")
            removed += model.exists()
            model.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
        removed += 1
    return removed


def _write(path: Path, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags, 0o600), "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
