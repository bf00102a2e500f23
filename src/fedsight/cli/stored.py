"""What commands read without a collector: the store of the data directory, and a run's full id."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from fedsight.config import load
from fedsight.errors import FedsightError, UsageError

#: What a file's name of ours is not made of.
UNUSUAL = re.compile(r"[^A-Za-z0-9._-]")
LONGEST_NAME = 128


@contextmanager
def stored(config: Path | None) -> Iterator[sqlite3.Connection]:
    """The store, for reading only. Raises StoreError where there is none."""
    from fedsight.collector.store.storefile import open_readonly

    with closing(open_readonly(load(config).data)) as store:
        yield store


def full_id(store: sqlite3.Connection, beginning: str) -> str:
    """The one run whose id begins so. Raises UsageError where there is none, or several."""
    from fedsight.collector.reading import queries

    found = queries.run_ids(store, beginning, limit=5)
    if beginning in found or len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"run {beginning!r} could be any of {', '.join(found)}")
    there = queries.counts(store).runs
    raise UsageError(f"no run {beginning!r}; `fedsight runs list` shows the {there} there are")


def file_of(run: str, ending: str) -> Path:
    """A file in this folder named after a run, whose id is whatever a producer said."""
    plain = UNUSUAL.sub("-", run)[:LONGEST_NAME].lstrip(".")
    return Path(f"{plain or 'run'}{ending}")


@contextmanager
def written(output: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name only once it is whole.

    Raises FedsightError where it cannot be written.
    """
    draft = output.with_name(f".{output.name}.part")
    try:
        with draft.open("wb") as out:
            yield out
        draft.replace(output)
    except OSError as error:
        raise FedsightError(f"cannot write {output}: {error.strerror or error}") from error
    finally:
        draft.unlink(missing_ok=True)
