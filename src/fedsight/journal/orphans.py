"""Journals whose producer died: the collector fetches from disk what nobody will send any more."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

from fedsight.errors import JournalError
from fedsight.journal.file import SUFFIX, Journal, JournalInUseError

logger = logging.getLogger(__name__)


def orphans(folder: Path, spent: dict[Path, int] | None = None) -> Iterator[Journal]:
    """Open, one after another, journals that no process owns and that are not finished with.

    Such a journal holds records not shipped, or saw a run start and not end (`open_runs`). It is
    handed out open, owned by the caller, and closed when the iteration goes on: ship what waits,
    append what ends its runs, and `mark_shipped`. A journal that cannot be opened is logged and
    passed over.

    `spent` remembers between calls which closed journals had nothing left, so that scanning many
    old ones costs a stat each.
    """
    spent = {} if spent is None else spent
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        if not _may_hold_something(path, spent):
            continue
        journal = _opened(path)
        if journal is None:
            continue
        with journal:
            if journal.waiting or journal.open_runs:
                yield journal
        if not (journal.waiting or journal.open_runs):
            _remember(path, spent)


def _may_hold_something(path: Path, spent: dict[Path, int]) -> bool:
    """SQLite removes a journal's `-wal` file at a clean close: while there is one, look inside."""
    if path.with_name(f"{path.name}-wal").exists():
        return True
    try:
        return spent.get(path) != path.stat().st_mtime_ns
    except FileNotFoundError:
        return False


def _remember(path: Path, spent: dict[Path, int]) -> None:
    try:
        spent[path] = path.stat().st_mtime_ns
    except FileNotFoundError:
        spent.pop(path, None)


def _opened(path: Path) -> Journal | None:
    try:
        return Journal(path.parent, path.name.removesuffix(SUFFIX), wait=0)
    except JournalInUseError:
        return None
    except (JournalError, ValueError) as error:
        logger.warning("%s", error)
        return None
