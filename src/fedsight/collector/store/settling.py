"""Files that a commit names: they stay where it went through, whatever interrupts who waits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

from fedsight.collector.store.manifest import Segment
from fedsight.collector.store.rollups import drop

Committed = TypeVar("Committed")


def settled(answer: Future[Committed], folder: Path, made: Sequence[Segment]) -> Committed:
    """The result of the commit that adds the rows of `made`; raises what it raises.

    Unlinks the files where it failed. An interruption, as by Ctrl-C at a command, does not stop
    the writing thread: its commit is awaited first, for files whose rows are there must stay. At a
    second one they are left: the next start unlinks those that no row names.
    """
    try:
        return answer.result()
    finally:
        wait([answer])
        if answer.exception() is not None:
            drop(folder, made)


@contextmanager
def all_or_none(folder: Path, made: Sequence[Segment]) -> Iterator[None]:
    """Unlinks the files of `made` where what is done meanwhile does not come to its end."""
    with ExitStack() as undoing:
        undoing.callback(drop, folder, made)
        yield
        undoing.pop_all()
