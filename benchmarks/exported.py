"""One export of a store's samples, in a process of its own: how long it took, and its peak memory.

`python -m benchmarks.exported STORE FORMAT AGGREGATION` prints them as JSON.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import duckdb
import msgspec
from msgspec import Struct

from fedsight.collector.export.job import write_archive
from fedsight.collector.export.request import ExportRequest, scope_of
from fedsight.collector.export.source import ClosedSource, Unwatched

_STATUS = Path("/proc/self/status")


class Made(Struct, frozen=True):
    """What one export took."""

    seconds: float
    peak_bytes: int
    rows: int
    file_bytes: int


def exported(store: Path, form: str, grain: str) -> Made:
    """Make it, beside the store, and remove it again."""
    duckdb.connect().close()
    said = {"format": form, "aggregation": grain, "tables": ["samples"]}
    scope = scope_of(msgspec.convert(said, ExportRequest))
    source = ClosedSource(store)
    with tempfile.TemporaryDirectory(dir=store.parent) as folder:
        work, target = Path(folder) / "work", Path(folder) / "export.zip"
        work.mkdir()
        before, began = _kilobytes("VmRSS"), time.perf_counter()
        found = write_archive(source, scope, work, target, Unwatched())
        seconds = time.perf_counter() - began
        peak = 1024 * (_kilobytes("VmHWM") - before)
        source.close()
        return Made(seconds, peak, found.rows, target.stat().st_size)


def _kilobytes(field: str) -> int:
    lines = (line.split() for line in _STATUS.read_text().splitlines())
    return next(int(words[1]) for words in lines if words[0] == f"{field}:")


if __name__ == "__main__":
    print(msgspec.json.encode(exported(Path(sys.argv[1]), *sys.argv[2:4])).decode())
