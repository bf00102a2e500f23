"""Writes sealed files: Parquet, sorted by (series, time, round), whole and on disk or not there."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from fedsight.collector.store.engine import quoted
from fedsight.collector.store.manifest import STEPS, Segment, told
from fedsight.collector.store.overlap import Span
from fedsight.collector.store.raw import RawSamples
from fedsight.door.times import now_ns

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: How a file's name ends until it is whole.
UNFINISHED = ".tmp"
#: Rows of a row group: the least that a query reads. Files that were not merged yet hold few
#: samples of each series, so there the groups are small.
GROUP_ROWS = (40_960, 122_880)
#: Samples that encodings are tried on.
TRIED = 122_880
#: A dictionary pays where at most one value in so many of a row group is another.
REPEATED = 6
#: Which encodings suit depends on the values: real numbers with few decimals pack best as they
#: are, numbers that were float32 byte by byte, and few distinct values as a dictionary.
STYLES = (("V2", REPEATED), ("V2", None), ("V1", REPEATED))
#: What is written quickest, whatever the values are: for files that are soon merged into others.
QUICKEST = STYLES[1]
ORDER = "ORDER BY series, time, round"


class Origin(NamedTuple):
    """What a new file is made of: batches of the hot log, and how often they were merged."""

    level: int
    first_batch: int
    last_batch: int
    source: int | None = None


def write_samples(
    engine: DuckDBPyConnection,
    folder: Path,
    samples: RawSamples,
    origin: Origin,
    spans: Sequence[Span],
) -> Segment:
    """Seal tidy samples, whose times lie in `spans`, into a new file.

    Raises OSError or duckdb.Error; nothing is left then.
    """
    engine.register("rows", samples._asdict())
    try:
        query = "SELECT series, time, round, value FROM rows"
        segment = write(engine, folder, query, 0, origin, quick=True)
        return segment._replace(spans=told(spans))
    finally:
        engine.unregister("rows")


def merged_query(files: Sequence[Path], twice: Sequence[Span]) -> str:
    """The samples of sealed files, earlier arrivals first, in order and each once.

    Only within the spans `twice` can a sample be in two files: there the later arrival counts.
    """
    names = ", ".join(quoted(str(file)) for file in files)
    source = f"read_parquet([{names}])"
    columns = "series, time, round, value"
    if not twice:
        return f"SELECT {columns} FROM {source} {ORDER}"
    inside = " OR ".join(f"(time >= {span.start} AND time < {span.end})" for span in twice)
    latest = "row_number() OVER (PARTITION BY series, time, round ORDER BY file_index DESC) = 1"
    return (
        f"SELECT {columns} FROM (SELECT {columns} FROM {source} WHERE NOT ({inside})"
        f" UNION ALL SELECT {columns} FROM {source} WHERE {inside} QUALIFY {latest}) {ORDER}"
    )


def rolled_query(file: Path, step: int, *, of_rolled: bool) -> str:
    """The windows of a file's samples, or of the windows of a finer roll-up, in order."""
    parts = (
        "sum(sum) AS sum, sum(count)::BIGINT AS count, min(min) AS min, max(max) AS max,"
        " arg_max(last, last_time) AS last, max(last_time) AS last_time"
        if of_rolled
        else "sum(value) AS sum, count(*) AS count, min(value) AS min, max(value) AS max,"
        " arg_max(value, file_row_number) AS last, max(time) AS last_time"
    )
    source = f"read_parquet({quoted(str(file))})"
    return (
        f"SELECT series, time // {step} * {step} AS time, {parts} FROM {source}"
        " GROUP BY ALL ORDER BY series, time"
    )


def write(
    engine: DuckDBPyConnection,
    folder: Path,
    query: str,
    step: int,
    origin: Origin,
    *,
    quick: bool = False,
) -> Segment:
    """Write what a query finds into a new file, durably, and describe it.

    `quick`: the file is soon merged into others, so that its writing matters more than its size.
    Raises OSError or duckdb.Error; nothing is left then.
    """
    kind = STEPS.get(step, "raw")
    span = f"{origin.first_batch}-{origin.last_batch}"
    file = folder / f"{kind}-{span}-{secrets.token_hex(4)}.parquet"
    write_file(engine, query, file, level=origin.level, step=step, quick=quick)
    try:
        return describe(engine, file, step, origin)
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def write_file(
    engine: DuckDBPyConnection,
    query: str,
    file: Path,
    *,
    level: int = 1,
    step: int = 0,
    quick: bool = False,
) -> None:
    """Write what a query finds: the file is whole and on disk when this returns, or not there."""
    unfinished = file.with_name(file.name + UNFINISHED)
    try:
        rows = GROUP_ROWS[min(level, 1)]
        if step or quick:
            style = _style(rows, *(QUICKEST if quick else STYLES[0]))
        else:
            style = _fitting(engine, query, unfinished, rows)
        _copy(engine, query, unfinished, style)
        sync(unfinished)
        unfinished.rename(file)
        sync(file.parent)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
            file.unlink(missing_ok=True)
        raise


def _copy(engine: DuckDBPyConnection, query: str, file: Path, style: str) -> None:
    engine.execute(
        f"COPY ({query}) TO {quoted(str(file))} (FORMAT parquet, {style},"
        " KV_METADATA {fedsight: 'samples'})"
    ).fetchall()


def _fitting(engine: DuckDBPyConnection, query: str, file: Path, rows: int) -> str:
    """Try the styles on a part: that in which it comes out smallest."""
    part = f"{query.removesuffix(ORDER)} LIMIT {TRIED}"
    sizes = {}
    for version, repeated in STYLES:
        style = _style(rows, version, repeated)
        engine.execute(f"COPY ({part}) TO {quoted(str(file))} (FORMAT parquet, {style})").fetchall()
        sizes[style] = file.stat().st_size
    return min(sizes, key=sizes.__getitem__)


def _style(rows: int, version: str, repeated: int | None) -> str:
    distinct = 100 if repeated is None else rows // repeated
    return (
        f"COMPRESSION zstd, ROW_GROUP_SIZE {rows}, PARQUET_VERSION {version},"
        f" DICTIONARY_SIZE_LIMIT {distinct}"
    )


def describe(engine: DuckDBPyConnection, file: Path, step: int, origin: Origin) -> Segment:
    """The manifest's row of a file, from the file itself; its id is not given yet."""
    last = "last_time" if step else "time"
    found = engine.execute(
        f"SELECT count(*), coalesce(min(time), 0), coalesce(max({last}), 0),"
        " coalesce(min(series), 0), coalesce(max(series), 0) FROM read_parquet(?)",
        [str(file)],
    ).fetchall()
    number, first_time, last_time, first_series, last_series = found[0]
    return Segment(
        0,
        file.name,
        step,
        origin.source,
        origin.level,
        origin.first_batch,
        origin.last_batch,
        number,
        file.stat().st_size,
        digest(file),
        first_time,
        last_time,
        first_series,
        last_series,
        now_ns(),
    )


def digest(file: Path) -> str:
    """The SHA-256 of a file's bytes."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Have a file's bytes, or a folder's names, on disk before this returns."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
