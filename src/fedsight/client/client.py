"""The client: one method for each question, answered as a frame; pages are read inside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from fedsight.client.asking import PAGE_SECONDS, Asking, ClientError
from fedsight.client.columns import Columns, Dictionary, first_of, joined, of_columns, of_rows
from fedsight.client.frames import Frames, frame, usable
from fedsight.client.points import PointsAnswer, points_columns, series_columns

ROWS = 1_000
CELLS = 200_000
SERIES = 10_000
When = str | datetime | None

RUN_COLUMNS = (
    *("id", "task", "strategy", "engine", "state", "reason", "round", "rounds", "nodes"),
    *("started", "ended", "last_seen", "seconds", "accuracy", "best_accuracy", "loss"),
    *("payload_down_bytes", "payload_up_bytes", "model_parameters", "failures", "config"),
)
EVENT_COLUMNS = ["id", "time", "source", "kind", "run", "round", "node", "details"]


class RunList(Struct):
    """A page of runs; `next` is the cursor of the page that follows."""

    runs: list[dict[str, Any]]
    next: str | None


class EventList(Struct):
    """A page of events."""

    events: list[dict[str, Any]]
    last_id: int


class ColumnList(Struct):
    """A page of rows as columns."""

    count: int
    total: int
    columns: dict[str, Dictionary | list[Any]]


class SeriesRow(Struct):
    """A series."""

    name: str
    labels: dict[str, str]


class SeriesPage(Struct):
    """A page of series; `total` is None where there are more than the collector lists."""

    series: list[SeriesRow]
    total: int | None


class Client:
    """A collector's data as frames.

    `url` is where it listens, by default http://127.0.0.1:8083 or what the settings say. `token`:
    what it asks for beyond loopback; by default the variable FEDSIGHT_TOKEN, or, for a collector on
    this machine, what the data directory holds. `frames`: "pandas" or "polars", by default what is
    installed, pandas first. `authority`: a PEM file of whoever vouches for a collector that speaks
    TLS, where the system's authorities do not. Its methods raise ClientError with a sentence that
    says what to do. Use it as a context, or `close` it.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        frames: Frames | None = None,
        timeout: float = PAGE_SECONDS,
        authority: str | Path | None = None,
    ) -> None:
        self._frames = usable(frames)
        file = None if authority is None else Path(authority)
        self._asking = Asking(url, token, timeout, file)

    def runs(self, *, state: str | None = None, task: str | None = None) -> Any:
        """All runs, newest first: a row each."""
        rows: dict[str, dict[str, Any]] = {}  # by id: where one begins may be told late
        cursor: str | None = None
        while True:
            where = {"state": state, "task": task, "limit": ROWS, "cursor": cursor}
            page = self._asking.get("/api/v1/runs", where, RunList)
            rows |= {run["id"]: run for run in page.runs}
            cursor = page.next
            if cursor is None:
                return self._frame(of_rows([*rows.values()], RUN_COLUMNS, text_id=True))

    def run(self, run: str) -> dict[str, Any]:
        """One run as the API tells it, its configuration under `config`."""
        return self._asking.get(_path(run), {}, dict[str, Any])

    def rounds(self, run: str) -> Any:
        """A run's rounds in order: a row each."""
        return self._table(run, "rounds")

    def clients(self, run: str, *, node: str | None = None) -> Any:
        """What each client did in each round: a row for each of both."""
        return self._table(run, "clients", node=node)

    def spans(self, run: str) -> Any:
        """How long each phase of each round took on each node; the server's node is empty."""
        return self._table(run, "spans")

    def events(self, run: str, *, kind: str | None = None) -> Any:
        """What happened in a run, by id; `details` are dictionaries."""
        rows: list[dict[str, Any]] = []
        after = 0
        while True:
            where = {"after": after, "limit": ROWS, "kind": kind}
            page = self._asking.get(f"{_path(run)}/events", where, EventList)
            rows += page.events
            after = page.last_id
            if len(page.events) < ROWS:
                return self._frame(of_rows(rows, EVENT_COLUMNS, text_id=False))

    def series(
        self,
        name: str | None = None,
        *,
        run: str | None = None,
        labels: str | Mapping[str, str] | None = None,
    ) -> Any:
        """Which series there are: a row each, with a column for each label.

        Raises ClientError where there are more than a collector lists.
        """
        # By name and labels: those that come meanwhile move the others on.
        found: dict[tuple[str, ...], SeriesRow] = {}
        where = {"name": name, "run": run, "labels": filters(labels), "limit": SERIES}
        read = 0
        while True:
            page = self._asking.get("/api/v1/series", {**where, "offset": read}, SeriesPage)
            if page.total is None:
                raise ClientError(
                    "there are more series than a collector lists: ask for those of a name, a run"
                    " or labels"
                )
            found |= {
                (each.name, *sorted(each.labels), *_in_order(each)): each for each in page.series
            }
            read += len(page.series)
            if read >= page.total or not page.series:
                rows = [(each.name, each.labels) for each in found.values()]
                return self._frame(series_columns(rows))

    def query(
        self,
        name: str | None = None,
        *,
        run: str | None = None,
        labels: str | Mapping[str, str] | None = None,
        start: When = None,
        end: When = None,
        step: str | float | None = None,
        aggregation: str | None = None,
        by: str | Sequence[str] | None = None,
        group: str | None = None,
        from_round: int | None = None,
        to_round: int | None = None,
    ) -> Any:
        """Samples: a row a point with time, name, a column for each label, and value.

        Without `step` and `aggregation` they are as they came in, with their `round`. `start` and
        `end` are datetimes, RFC 3339, or how long ago: "1h"; by default the last hour, or all of
        `run`. `labels` are filters: `{"node": "client-3"}`, or as text `node=~client-.*`. Windows
        of series that are alike in the labels `by` are put together, by `group`: "sum" unless
        another of "mean", "min", "max", "count" is named.
        """
        where: dict[str, object] = {
            "name": name,
            "run": run,
            "labels": filters(labels),
            "from": _when(start),
            "to": _when(end),
            "step": step,
            "aggregation": aggregation,
            "by": by if by is None or isinstance(by, str) else ",".join(by),
            "group": group,
            "from_round": from_round,
            "to_round": to_round,
            "times": "ns",
        }
        return self._frame(points_columns(list(self._pages(where))))

    def _pages(self, where: dict[str, object]) -> Iterator[PointsAnswer]:
        cursor: str | None = None
        while True:
            page = self._asking.get("/api/v1/query", {**where, "cursor": cursor}, PointsAnswer)
            yield page
            cursor = page.next
            if cursor is None:
                return

    def _table(self, run: str, table: str, **named: object) -> Any:
        """All rounds of a table. A page ends with a round, so that rows which come late to one
        that was read move no other; `past` counts those of a round that no page holds whole."""
        pages: list[Columns] = []
        begin = past = 0
        while True:
            where = {"from_round": begin, "offset": past, "layout": "columns", "limit": CELLS}
            page = self._asking.get(f"{_path(run)}/{table}", {**named, **where}, ColumnList)
            columns = of_columns(page.columns)
            if not page.count or past + page.count >= page.total:
                return self._frame(joined([*pages, columns]))
            rounds = columns["round"].values
            last = rounds[-1]
            whole = rounds.index(last)
            pages.append(first_of(columns, whole or page.count))
            # Where nothing is whole, one round is longer than a page.
            past = 0 if whole else page.count + (past if last == begin else 0)
            begin = last

    def _frame(self, columns: Columns) -> Any:
        return frame(columns, self._frames)

    def close(self) -> None:
        """Close its connections."""
        self._asking.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _in_order(series: SeriesRow) -> list[str]:
    return [series.labels[label] for label in sorted(series.labels)]


def filters(labels: str | Mapping[str, str] | None) -> str | None:
    """Label filters as the API reads them."""
    if labels is None or isinstance(labels, str):
        return labels
    quoted = ((name, msgspec.json.encode(text).decode()) for name, text in labels.items())
    return ",".join(f"{name}={text}" for name, text in quoted)


def _when(when: When) -> str | None:
    """A moment as the API reads it; one without a time zone is taken for local time."""
    if not isinstance(when, datetime):
        return when
    if when.tzinfo is None:  # a Timestamp of pandas does not take local time by itself
        when = when.replace(tzinfo=datetime(*when.timetuple()[:6]).astimezone().tzinfo)
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _path(run: str) -> str:
    return f"/api/v1/runs/{quote(run, safe='')}"
