"""Files in the folder of sealed files that no row names: left by a crash, or by another store."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from fedsight.collector.store import manifest
from fedsight.collector.store.engine import SPILL
from fedsight.collector.store.hot_rows import batches
from fedsight.collector.store.parquet import UNFINISHED

#: How folders begin in which another process keeps files for its reading; its id follows.
PINNED = "pinned-"
#: Where files go that this store cannot have made.
UNKNOWN = "unknown"
NAME = re.compile(r"^(?:raw|1m|5m|1h)-(\d+)-(\d+)-[0-9a-f]+\.parquet$")


def clean(folder: Path, store: sqlite3.Connection) -> tuple[int, list[str]]:
    """Unlink what a crash left; return how many files that were, and those moved to `unknown/`.

    A file that speaks of batches which this store never had is of another one, such as one whose
    database was lost: it is moved, never deleted.
    """
    if not folder.is_dir():
        return 0, []
    shutil.rmtree(folder / SPILL, ignore_errors=True)
    for pins in folder.glob(f"{PINNED}*"):
        if not _alive(pins):
            shutil.rmtree(pins, ignore_errors=True)
    segments = manifest.segments(store)
    named = {segment.file for segment in segments}
    newest = max([batches(store)[1], *(segment.last_batch for segment in segments)])
    gone, moved = 0, []
    for file in _unnamed(folder, named):
        match = NAME.match(file.name)
        if file.name.endswith(UNFINISHED) or (match and int(match[2]) <= newest):
            file.unlink()
            gone += 1
        elif match:
            (folder / UNKNOWN).mkdir(exist_ok=True)
            file.rename(folder / UNKNOWN / file.name)
            moved.append(file.name)
    return gone, moved


def _alive(pins: Path) -> bool:
    """Whether the process that made a folder of pins still runs."""
    process = pins.name.removeprefix(PINNED).split("-")[0]
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def _unnamed(folder: Path, named: Iterable[str]) -> list[Path]:
    known = set(named)
    return sorted(f for f in folder.iterdir() if f.is_file() and f.name not in known)
