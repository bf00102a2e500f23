"""One export from beginning to end: each table as a file, and all of them in one archive."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from fedsight import __version__
from fedsight.collector.export.request import Format, Scope, TableName
from fedsight.collector.export.rows import pages, sql_columns
from fedsight.collector.export.samples import pieces
from fedsight.collector.export.slices import MOST
from fedsight.collector.export.source import Source, Watch
from fedsight.collector.export.writing import (
    RAW,
    SUFFIX,
    WINDOWED,
    TableFile,
    converted,
    engine,
    gathered,
    write_piece,
)
from fedsight.door.times import now_ns, rfc3339, rfc3339_or_none

if TYPE_CHECKING:
    import duckdb

BLOCK = 2**20
MANIFEST = "manifest.json"
NOTHING = "nothing in the store matches what was asked for: every table is empty"


class TableNote(Struct, frozen=True):
    """What the manifest says of a table."""

    file: str
    rows: int
    columns: list[str]


class Manifest(Struct, frozen=True):
    """What an archive holds and what was asked for; `note` where that needs a word."""

    fedsight: str
    created: str
    experiment_id: str | None
    components: Sequence[str]
    start_time: str | None
    end_time: str | None
    format: Format
    aggregation: str
    tables: dict[str, TableNote]
    note: str | None


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export came to."""

    rows: int
    note: str | None


class _Share:
    """The progress of one table among all of them."""

    def __init__(self, watch: Watch, folder: Path, at: int, of: int) -> None:
        self._watch, self._folder, self._at, self._of = watch, folder, at, of

    def step(self, done: float) -> None:
        """So much of this table is read."""
        written = sum(file.stat().st_size for file in self._folder.iterdir() if file.is_file())
        self._watch.step((self._at + done) / self._of, written)


def write_tables(
    source: Source, scope: Scope, folder: Path, watch: Watch, most: int = MOST
) -> list[TableFile]:
    """Each table of the scope as a file in `folder`, which exists and is empty.

    Raises what the source and the watch raise, and OSError or duckdb.Error where the disk takes
    no more.
    """
    scope = replace(scope, going=going(source, scope))
    with engine(folder) as db:
        watch.begins(db.interrupt)
        found: list[TableFile] = []
        try:
            for at, table in enumerate(scope.tables):
                share = _Share(watch, folder, at, len(scope.tables))
                if table == "samples":
                    found.append(_samples(db, source, scope, folder, share, most))
                else:
                    found.append(_rows(db, source, scope, table, folder, share))
                share.step(1.0)
        finally:
            watch.begins(_nothing)  # an engine that is closed takes no interruption
        return found


def _nothing() -> None:
    """There is no long step to break off."""


def going(source: Source, scope: Scope) -> tuple[int, int] | None:
    """When the run of the scope went on, [start, end) in ns; None without a run."""
    if scope.run is None:
        return None
    query = "SELECT coalesce(started, first_seen), last_seen + 1 FROM runs WHERE id = ?"
    found = source.rows(lambda store: store.execute(query, (scope.run,)).fetchone())
    return (0, 0) if found is None else (int(found[0]), int(found[1]))


def _rows(
    db: duckdb.DuckDBPyConnection,
    source: Source,
    scope: Scope,
    table: TableName,
    folder: Path,
    share: _Share,
) -> TableFile:
    lines, columns, count = folder / f"{table}.lines", sql_columns(table), 0
    with lines.open("wb") as out:
        for page in pages(source, scope, table):
            out.write(page.lines)
            count += page.rows
            share.step(0.8 * page.done)
    target = folder / f"{table}{SUFFIX[scope.format]}"
    converted(db, lines, columns, scope.format, target)
    lines.unlink(missing_ok=True)
    return TableFile(table, target, count, columns)


def _samples(
    db: duckdb.DuckDBPyConnection,
    source: Source,
    scope: Scope,
    folder: Path,
    share: _Share,
    most: int,
) -> TableFile:
    columns, count = RAW if scope.step is None else WINDOWED, 0
    parts: list[Path] = []
    for piece in pieces(source, scope, most):
        parts.append(folder / f"samples-{len(parts)}.part")
        write_piece(db, piece, parts[-1])
        count += len(piece.index)
        share.step(0.8 * piece.done)
    target = folder / f"samples{SUFFIX[scope.format]}"
    gathered(db, parts, columns, scope.format, target)
    for part in parts:
        part.unlink()
    return TableFile("samples", target, count, columns)


def manifest(scope: Scope, tables: Sequence[TableFile]) -> Manifest:
    """What the archive's `manifest.json` says."""
    notes: dict[str, TableNote] = {}
    notes |= {t.name: TableNote(t.path.name, t.rows, list(t.columns)) for t in tables}
    return Manifest(
        __version__,
        rfc3339(now_ns()),
        scope.run,
        scope.components,
        rfc3339_or_none(scope.start),
        rfc3339_or_none(scope.end),
        scope.format,
        scope.grain,
        notes,
        None if any(table.rows for table in tables) else NOTHING,
    )


def write_archive(
    source: Source, scope: Scope, folder: Path, target: Path, watch: Watch
) -> Exported:
    """Everything of the scope as one ZIP file at `target`, which appears only once it is whole.

    `folder` exists and is empty; it is left so. Raises as `write_tables` does.
    """
    draft = folder / "archive.part"
    try:
        tables = write_tables(source, scope, folder, watch)
        told = manifest(scope, tables)
        _zip(tables, told, draft, watch)
        _appear(draft, target)
    finally:
        for left in folder.iterdir():
            left.unlink()
    return Exported(sum(table.rows for table in tables), told.note)


def _zip(tables: Sequence[TableFile], told: Manifest, draft: Path, watch: Watch) -> None:
    """Each table is removed as soon as the archive has it. The watch is told after each block."""
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive:
        text = msgspec.json.format(msgspec.json.encode(told), indent=2)
        archive.writestr(MANIFEST, text + b"\n")
        for table in tables:
            entry = zipfile.ZipInfo.from_file(table.path, table.path.name)
            packed = table.path.suffix == ".parquet"
            entry.compress_type = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
            with table.path.open("rb") as content, archive.open(entry, "w") as out:
                while block := content.read(BLOCK):
                    out.write(block)
                    watch.step(1.0, draft.stat().st_size)
            table.path.unlink()


def _appear(draft: Path, target: Path) -> None:
    """On disk under its name before this returns."""
    with draft.open("rb") as whole:
        os.fsync(whole.fileno())
    draft.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
