"""An export that meets a fault says which, leaves nothing behind, and holds up no other."""

from __future__ import annotations

import asyncio
import errno
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import duckdb
import pytest

from fedsight.collector.export.exports import ExportLimits, Exports, explained
from fedsight.collector.export.kept import Export
from fedsight.collector.export.request import ExportRequest
from fedsight.collector.store.contract import SampleSearch
from tests.collector.export.reading import Read
from tests.collector.open_store import Store
from tests.collector.shipments import whole_run

Answer = TypeVar("Answer")


class Failing(Read):
    """Samples cannot be read while `fault` is set."""

    fault: Exception | None = None

    def samples(self, question: Callable[[SampleSearch], Answer]) -> Answer:
        if self.fault is not None:
            raise self.fault
        return super().samples(question)


async def ended(exports: Exports, id_: str) -> Export:
    until = time.monotonic() + 20
    while (found := await exports.find(id_)).state not in ("done", "failed"):
        assert time.monotonic() < until
        await asyncio.sleep(0.01)
    return found


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (duckdb.IOException("Could not write: No space left on device"), "the disk is full"),
        (sqlite3.OperationalError("database is locked"), "database is locked"),
        (ValueError("first line\nsecond line"), "first line"),
        (KeyError(), "KeyError"),
    ],
)
def test_a_fault_is_told_and_the_next_export_is_made(
    store: Store, fault: Exception, why: str
) -> None:
    source = Failing(store)
    source.send("r-1", whole_run("r-1", ["a"]))

    async def both() -> tuple[Export, Export]:
        exports = Exports(store.folder, store.ingest, store.readers, ExportLimits())
        exports.start(source)
        source.fault = fault
        failed = await ended(exports, (await exports.ask(ExportRequest())).export_id)
        source.fault = None
        done = await ended(exports, (await exports.ask(ExportRequest())).export_id)
        await exports.close()
        assert (exports.made, exports.failed, exports.error) == (1, 1, None)
        return failed, done

    failed, done = asyncio.run(both())
    assert (failed.state, failed.error) == ("failed", why)
    assert (done.state, done.rows) == ("done", 10 * 2 + 3 * 2 + 2 + 4 + 1 + 2 + 2 + 4)
    assert files(store.folder) == [f"{done.export_id}.zip"]


def test_a_folder_that_cannot_be_made_is_named_until_it_can(store: Store) -> None:
    (store.folder / "exports").write_text("in the way")

    async def blocked() -> str | None:
        exports = Exports(store.folder, store.ingest, store.readers, ExportLimits())
        exports.start(Read(store))
        until = time.monotonic() + 20
        while exports.error is None and time.monotonic() < until:
            await asyncio.sleep(0.01)
        await exports.close()
        return exports.error

    assert "File exists" in str(asyncio.run(blocked()))


def test_what_has_no_words_is_named_by_its_kind() -> None:
    assert explained(MemoryError()) == "MemoryError"


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in (folder / "exports").iterdir())
