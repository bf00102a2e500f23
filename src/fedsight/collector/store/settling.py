"""Files that a commit names: they stay until it is certain whether the commit counts.

A commit may fail after all of it was written, where the disk cannot say that it has it, or where
the index of the write-ahead log cannot grow. It is undone then, but stands in the log until another
commit is written over it: after a crash SQLite finds it there, whole, and it counts. So its files
stay until such a commit is on disk. See docs/decisions/0155-files-of-failed-commits.md.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Protocol, TypeVar

from fedsight.collector.store.manifest import Segment
from fedsight.collector.store.rollups import drop
from fedsight.collector.store.schema import connect_reader
from fedsight.errors import StoreError

Committed = TypeVar("Committed")


class Writing(Protocol):
    """The one writing thread, as `ingest.Ingest`."""

    def change(self, work: Callable[[sqlite3.Connection], Committed]) -> Future[Committed]:
        """Do `work` in a transaction of the writing thread."""
        ...


class Settling:
    """Commits that name files of one folder. For one thread."""

    def __init__(self, folder: Path, writing: Writing) -> None:
        self.folder = folder
        self.writing = writing
        self._doubtful: list[Segment] = []

    def change(
        self, work: Callable[[sqlite3.Connection], Committed], made: Sequence[Segment]
    ) -> Committed:
        """As `settled`, of a change that adds the rows of `made`."""
        with all_or_none(self.folder, made):  # nobody may be writing any more
            answer = self.writing.change(work)
        return self.settled(answer, made)

    def settled(self, answer: Future[Committed], made: Sequence[Segment]) -> Committed:
        """The result of the commit that adds the rows of `made`; raises what it raises.

        Unlinks the files where it failed, once it is certain that they are nobody's. An
        interruption, as by Ctrl-C at a command, does not stop the writing thread: its commit is
        awaited first, for files whose rows are there must stay. At a second one they are left, for
        what the next start does with files that no row names.
        """
        try:
            return answer.result()
        finally:
            wait([answer])
            if answer.exception() is not None:
                self._doubtful += made
                with suppress(StoreError):  # the disk is what failed: the next look tries again
                    self.resolve()

    def resolve(self) -> None:
        """Unlink the files of commits that failed, after a commit that takes their place in the
        log. Raises StoreError where that fails too; they stay then."""
        if not self._doubtful:
            return
        named = self.writing.change(_written_over).result()
        drop(self.folder, [each for each in self._doubtful if each.file not in named])
        self._doubtful.clear()

    def end(self, store: Path) -> None:
        """Once the writing thread has ended: unlink files still in doubt, where the write-ahead log
        of the hot log `store` is gone, so that no commit can be found in it. Raises StoreError."""
        if self._doubtful and not store.with_name(f"{store.name}-wal").exists():
            with closing(connect_reader(store)) as read:
                named = _named(read)
            drop(self.folder, [each for each in self._doubtful if each.file not in named])


def _written_over(store: sqlite3.Connection) -> frozenset[str]:
    """Write a page, though nothing changes; the files that rows name."""
    (version,) = store.execute("PRAGMA user_version").fetchone()
    store.execute(f"PRAGMA user_version={int(version)}")
    return _named(store)


def _named(store: sqlite3.Connection) -> frozenset[str]:
    return frozenset(file for (file,) in store.execute("SELECT file FROM segments"))


@contextmanager
def all_or_none(folder: Path, made: Sequence[Segment]) -> Iterator[None]:
    """Unlinks the files of `made` where what is done meanwhile does not come to its end."""
    with ExitStack() as undoing:
        undoing.callback(drop, folder, made)
        yield
        undoing.pop_all()
