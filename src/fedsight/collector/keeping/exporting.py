"""Takes a store, or one run of it, out into a folder of open formats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from fedsight import __version__
from fedsight.collector.keeping import tables
from fedsight.collector.keeping.opened import Reading
from fedsight.collector.store import manifest
from fedsight.collector.store.contract import Matcher, Selection
from fedsight.collector.store.engine import open_engine, quoted
from fedsight.collector.store.manifest import STEPS
from fedsight.collector.store.parquet import sync, write_file
from fedsight.door.times import now_ns, rfc3339
from fedsight.errors import StoreError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FORMAT = 1
INDEX = "store.json"
SERIES = "series.parquet"
SPANS = "spans"
MEMORY_MB = 768
EVER = 2**63 - 1
Tell = Callable[[str], object]


class Index(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a folder holds; written last, so that a folder without it is not whole.

    `run` is None for a whole store. `tables` maps a file of JSON lines to its rows.
    """

    format: int
    version: str
    created: str
    run: str | None
    series: int
    samples: int
    sample_files: list[str]
    rollup_files: list[str]
    tables: dict[str, int]


def export(source: Reading, target: Path, run: str | None, tell: Tell = lambda _: None) -> Index:
    """Write everything into a new folder. Raises StoreError; OSError where the disk is full."""
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(target.iterdir()):
        raise StoreError(f"{target} is not empty; name a folder that is not there yet")
    store = source.store
    wanted = list(tables.OF_RUN) if run is not None else tables.names(store)
    counted = {name: _write_lines(target, name, tables.rows(store, name, run)) for name in wanted}
    counted[SPANS] = _write_lines(target, SPANS, tables.span_lines(store, run))
    with open_engine(
        target.resolve(), threads=1, memory_mb=MEMORY_MB, also=source.archive.sealed.folder
    ) as engine:
        known = _write_series(engine, source, target, run)
        samples, files = _write_samples(engine, source, target, run, tell)
        rolled = _write_rollups(engine, source, target, run)
    problems = source.archive.sealed.problems
    if problems:
        file, why = next(iter(problems.items()))
        raise StoreError(f"the export is not whole: {file} cannot be read ({why})")
    now = rfc3339(now_ns())
    index = Index(FORMAT, __version__, now, run, known, samples, files, rolled, counted)
    file_ = target / INDEX
    file_.write_bytes(msgspec.json.format(msgspec.json.encode(index), indent=2) + b"\n")
    sync(file_)
    sync(target)
    return index


def _write_lines(target: Path, name: str, found: Iterable[bytes]) -> int:
    number = 0
    file = target / f"{name}.jsonl"
    with file.open("wb") as out:
        for line in found:
            out.write(line)
            number += 1
    sync(file)
    return number


def _write_series(
    engine: DuckDBPyConnection, source: Reading, target: Path, run: str | None
) -> int:
    where = "" if run is None else " WHERE run = ?"
    query = f"SELECT id, name, labels FROM series{where} ORDER BY id"
    found = source.store.execute(query, () if run is None else (run,)).fetchall()
    ids, names, labels = zip(*found, strict=True) if found else ((), (), ())
    columns = {
        "id": np.array(ids, np.int32),
        "name": np.array(names, object),
        "labels": np.array(labels, object),
    }
    engine.register("rows", columns)
    query = "SELECT id AS series, name::VARCHAR AS name, labels::VARCHAR AS labels FROM rows"
    write_file(engine, query, (target / SERIES).resolve(), step=1)
    engine.unregister("rows")
    return len(found)


def _write_samples(
    engine: DuckDBPyConnection, source: Reading, target: Path, run: str | None, tell: Tell
) -> tuple[int, list[str]]:
    matchers = () if run is None else (Matcher("run", "=", run),)
    total = 0
    files: list[str] = []
    search = source.archive.search(source.store)
    for part in search.rows(Selection(matchers, 0, EVER)):
        files.append(f"samples-{len(files) + 1:05}.parquet")
        engine.register("rows", part._asdict())
        query = "SELECT series, time, round, value FROM rows"
        write_file(engine, query, (target / files[-1]).resolve())
        engine.unregister("rows")
        total += len(part.time)
        tell(f"{total:,} samples")
    return total, files


def _write_rollups(
    engine: DuckDBPyConnection, source: Reading, target: Path, run: str | None
) -> list[str]:
    """Roll-ups whose samples are gone; the others are made again of the samples."""
    files: list[str] = []
    for segment, number in _alone(source):
        name = f"rollup-{STEPS[segment.step]}-{number:05}.parquet"
        file = source.archive.sealed.folder / segment.file
        query = f"SELECT * FROM read_parquet({quoted(str(file))})"
        if run is not None:
            ids = source.store.execute("SELECT id FROM series WHERE run = ?", (run,)).fetchall()
            listed = ", ".join(str(id_) for (id_,) in ids) or "NULL"
            query += f" WHERE series IN ({listed})"
        write_file(engine, query, (target / name).resolve(), step=segment.step)
        files.append(name)
    return files


def _alone(source: Reading) -> Iterator[tuple[manifest.Segment, int]]:
    """Such roll-ups, and a number that those of the same samples share."""
    numbers: dict[int, int] = {}
    for segment in manifest.segments(source.store):
        if segment.step and segment.source is None:
            number = numbers.setdefault(segment.last_batch, len(numbers) + 1)
            yield segment, number
