"""Reads samples back from sealed files; a file that cannot be read is named and left out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.store.blocks import Blocks, chosen
from fedsight.collector.store.contents import FileContents, Whole, whole
from fedsight.collector.store.contract import Aggregation
from fedsight.collector.store.engine import open_engine
from fedsight.collector.store.manifest import Segment
from fedsight.collector.store.overlap import Span
from fedsight.collector.store.raw import EMPTY, RawSamples, joined
from fedsight.collector.store.windowing import Partial, nothing

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Found = TypeVar("Found")
Columns = dict[str, NDArray[Any]]

#: Memory that queries may use together before they spill, and their threads.
MEMORY_MB = 768
THREADS = 2
#: Ids that are written into a query; more of them are read as a range and sieved afterwards.
MOST_LISTED = 500
#: A range of ids is read whole where at least one in so many is wanted.
DENSE = 4

#: What of a window is made of samples, and of the windows of a roll-up.
PARTS = {
    "count": ("count(*)", "sum(count)"),
    "sum": ("sum(value)", "sum(sum)"),
    "min": ("min(value)", "min(min)"),
    "max": ("max(value)", "max(max)"),
    # Rows are sorted by (series, time, round) and files here by time: the last row is the latest.
    "last": (
        "arg_max(value, file_index * 1099511627776 + file_row_number)",
        "arg_max(last, last_time)",
    ),
    "last_time": ("max(time)", "max(last_time)"),
}
NEEDED: dict[Aggregation, tuple[str, ...]] = {
    "count": ("count",),
    "sum": ("sum",),
    "mean": ("sum", "count"),
    "min": ("min",),
    "max": ("max",),
    "last": ("last", "last_time"),
}


class Ready(NamedTuple):
    """Row groups in memory that have the samples of some series in a span of time.

    `in_order`: all are of one file, whose samples are sorted by series, time and round, each once.
    """

    ids: NDArray[np.int64]
    span: Span
    blocks: list[RawSamples]
    in_order: bool

    def samples(self) -> RawSamples:
        """Those samples, earlier arrivals first."""
        ordered = np.sort(self.ids).astype(np.int32)
        return joined([chosen(block, ordered, [self.span]) for block in self.blocks])


class Sealed:
    """The folder of sealed files, for reading by any thread."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        #: Files that could not be read, and why.
        self.problems: dict[str, str] = {}
        self._named: set[str] = set()
        self._lock = threading.Lock()
        self._engine: DuckDBPyConnection | None = None
        self._blocks = Blocks(self._query, self._path)
        self._contents = FileContents(self._query, self._path)

    def look(self, segments: Sequence[Segment]) -> None:
        """Note the files that are missing or are not as long as they were."""
        for segment in segments:
            file = self.folder / segment.file
            if not file.is_file():
                self.problems[segment.file] = "the file is missing"
            elif (size := file.stat().st_size) != segment.bytes:
                self.problems[segment.file] = f"has {size} bytes instead of {segment.bytes}"

    def forget_gone(self, segments: Sequence[Segment]) -> None:
        """Files that no longer belong to the store are nobody's problem, and take no memory."""
        named = {segment.file for segment in segments}
        if self.problems:
            self.problems = {file: why for file, why in self.problems.items() if file in named}
        if named != self._named:
            self._named = named
            self._blocks.retain(named)
            self._contents.retain(named)

    def raw(
        self, segments: Sequence[Segment], ids: NDArray[np.int64], spans: Sequence[Span]
    ) -> RawSamples:
        """The samples of some series in some spans of time, earlier arrivals first."""
        columns = "series, time, round, value"

        def read(some: Sequence[Segment]) -> RawSamples:
            kept = self._blocks.raw(some, ids, spans)
            if kept is not None:
                return kept
            found = self._columns(some, columns, _where(some, ids, spans), arrival=len(some) > 1)
            return _raw(found)

        return self._reading(segments, ids, spans, read) or EMPTY

    def ready(
        self, segments: Sequence[Segment], ids: NDArray[np.int64], span: Span
    ) -> Ready | None:
        """What `raw` would read, where all of it is in memory."""
        there = self._holding(segments, ids, [span])
        blocks = self._blocks.ready(there, ids)
        return None if blocks is None else Ready(ids, span, blocks, len(there) <= 1)

    def of_rounds(
        self, segments: Sequence[Segment], ids: NDArray[np.int64], first: int, last: int
    ) -> RawSamples:
        """The samples of some series that belong to rounds from `first` to `last`.

        In order of time within each series; the times themselves are not read, and are 0.
        """
        where = f"{_of_series(ids)} AND round BETWEEN {first} AND {last}"

        def read(some: Sequence[Segment]) -> RawSamples:
            return _raw(
                self._columns(some, "series, 0::BIGINT AS time, round, value", where, arrival=True)
            )

        return self._reading(segments, ids, [Span(0, 2**63 - 1)], read) or EMPTY

    def parts(
        self,
        segments: Sequence[Segment],
        ids: NDArray[np.int64],
        spans: Sequence[Span],
        step: int,
        aggregation: Aggregation,
    ) -> Partial:
        """Windows of samples, or of roll-ups where the segments are such.

        No two of the segments may have samples in the same of the spans.
        """
        window = _window(spans, step)

        def read(some: Sequence[Segment]) -> Partial:
            rolled = int(some[0].step > 0)
            wanted = ", ".join(f'{PARTS[p][rolled]} AS "{p}"' for p in NEEDED[aggregation])
            columns = f"series, {window} AS span, {wanted}"
            where = f"{_where(some, ids, spans)} GROUP BY ALL"
            return _partial(self._columns(some, columns, where, arrival=False), ids)

        in_time = sorted(segments, key=lambda segment: segment.first_time)
        return self._reading(in_time, ids, spans, read) or nothing()

    def whole(
        self,
        segments: Sequence[Segment],
        hot: RawSamples,
        ids: NDArray[np.int64],
        span: Span,
        step: int,
    ) -> Whole:
        """The one window in which a span lies, of the series that lie in the span wholly.

        `ids` are in order, `hot` are tidy samples that count as well; see `contents.whole`.
        """

        def read(some: Sequence[Segment]) -> Whole | None:
            contents = self._contents.of(some)
            if contents is None:
                return None
            files = list(zip(some, contents, strict=True))
            return whole(files, self._contents.meeting, hot, ids, span, step)

        return self._reading(segments, ids, [span], read) or Whole([], ids)

    def series(
        self, segments: Sequence[Segment], ids: NDArray[np.int64], spans: Sequence[Span]
    ) -> NDArray[np.int64]:
        """Which series have anything in some spans of time; others than `ids` may be among them."""

        def read(some: Sequence[Segment]) -> NDArray[np.int64]:
            found = self._columns(some, "DISTINCT series", _where(some, ids, spans), arrival=False)
            return found["series"].astype(np.int64)

        found = self._reading(segments, ids, spans, read)
        return np.zeros(0, np.int64) if found is None else found

    def rounds(
        self, segments: Sequence[Segment], ids: NDArray[np.int64], first: int, last: int
    ) -> dict[int, int]:
        """How many samples of some series each round from `first` to `last` has."""
        where = f"{_of_series(ids)} AND round BETWEEN {first} AND {last} GROUP BY round"

        def read(some: Sequence[Segment]) -> dict[int, int]:
            found = self._columns(some, "round, count(*) AS n", where, arrival=False)
            return dict(zip(found["round"].tolist(), found["n"].tolist(), strict=True))

        return self._reading(segments, ids, [Span(0, 2**63 - 1)], read) or {}

    def _reading(
        self,
        segments: Sequence[Segment],
        ids: NDArray[np.int64],
        spans: Sequence[Span],
        read: Callable[[Sequence[Segment]], Found],
    ) -> Found | None:
        """What is read from the segments that may hold it; None where there is none."""
        import duckdb

        there = self._holding(segments, ids, spans)
        while there:
            try:
                return read(there)
            except duckdb.Error as error:
                left = [segment for segment in there if self._readable(segment, read)]
                if len(left) == len(there):
                    raise
                _ = error  # it is of the files that were just left out
                there = left
        return None

    def _holding(
        self, segments: Sequence[Segment], ids: NDArray[np.int64], spans: Sequence[Span]
    ) -> list[Segment]:
        """Those that may hold any of it, and can be read."""
        return [s for s in segments if s.file not in self.problems and _holds(s, ids, spans)]

    def _readable(self, segment: Segment, read: Callable[[Sequence[Segment]], object]) -> bool:
        import duckdb

        try:
            read([segment])
        except (duckdb.InterruptException, duckdb.OutOfMemoryException):
            raise
        except duckdb.Error as error:  # the question is ours, so it is the file that is not
            missing = not (self.folder / segment.file).is_file()
            self.problems[segment.file] = "the file is missing" if missing else str(error)
            return False
        return True

    def _columns(
        self, segments: Sequence[Segment], columns: str, where: str, *, arrival: bool
    ) -> Columns:
        extra = ", file_index AS arrival" if arrival else ""
        query = f"SELECT {columns}{extra} FROM read_parquet(?) WHERE {where}"
        return self._query(query, [[self._path(segment) for segment in segments]])

    def _query(self, query: str, parameters: list[object]) -> Columns:
        with self._cursor() as cursor:
            return dict(cursor.execute(query, parameters).fetchnumpy())  # type: ignore[arg-type]

    def _path(self, segment: Segment) -> str:
        return str(self.folder / segment.file)

    def _cursor(self) -> DuckDBPyConnection:
        with self._lock:
            if self._engine is None:
                self._engine = open_engine(self.folder, threads=THREADS, memory_mb=MEMORY_MB)
            return self._engine.cursor()

    @property
    def kept_bytes(self) -> int:
        """Memory of the row groups that are kept decoded."""
        return self._blocks.kept.bytes

    def close(self) -> None:
        """Let go of the engine; the next question opens it again."""
        with self._lock:
            if self._engine is not None:
                self._engine.close()
            self._engine = None
        self._blocks.clear()
        self._contents.clear()


def _holds(segment: Segment, ids: NDArray[np.int64], spans: Sequence[Span]) -> bool:
    if (
        not ids.size
        or int(ids.max()) < segment.first_series
        or int(ids.min()) > segment.last_series
    ):
        return False
    return any(s.start <= segment.last_time and segment.first_time < s.end for s in spans)


def _window(spans: Sequence[Span], step: int) -> str:
    """The number of a row's window: where there is one window only, no times need be read."""
    if not spans or spans[0].start // step == (spans[-1].end - 1) // step:
        return str(spans[0].start // step if spans else 0) + "::BIGINT"
    return f"time // {step}"


def _where(segments: Sequence[Segment], ids: NDArray[np.int64], spans: Sequence[Span]) -> str:
    first, last = min(s.first_time for s in segments), max(s.last_time for s in segments)
    if any(span.start <= first and last < span.end for span in spans):
        return _of_series(ids)  # so that the times need not be read
    times = " OR ".join(f"(time >= {s.start} AND time < {s.end})" for s in spans)
    return f"{_of_series(ids)} AND ({times})"


def _of_series(ids: NDArray[np.int64]) -> str:
    """A condition that all of `ids` meet; where there are many of them, others may meet it too."""
    low, high = int(ids.min()), int(ids.max())
    if len(ids) > MOST_LISTED or high - low < DENSE * len(ids):
        return f"series BETWEEN {low} AND {high}"
    return f"series IN ({', '.join(map(str, ids.tolist()))})"


def _raw(found: Columns) -> RawSamples:
    samples = RawSamples(found["series"], found["time"], found["round"], found["value"])
    arrival = found.get("arrival")
    if arrival is None or (arrival[1:] >= arrival[:-1]).all():
        return samples
    return samples.where(np.argsort(arrival, kind="stable"))


def _partial(found: Columns, ids: NDArray[np.int64]) -> Partial:
    """Columns that were not asked for are empty of meaning."""
    series = found["series"]
    blank = np.zeros(len(series))
    parts = Partial(
        series,
        found["span"],
        found.get("count", blank).astype(np.int64),
        found.get("sum", blank).astype(np.float64),
        found.get("min", blank),
        found.get("max", blank),
        found.get("last", blank),
        found.get("last_time", blank.astype(np.int64)),
    )
    order = np.lexsort((parts.window, series))
    wanted = np.zeros(int(max(ids.max(), series.max(initial=0))) + 1, bool)
    wanted[ids] = True
    order = order[wanted[series[order]]]
    return Partial._make(column[order] for column in parts)
