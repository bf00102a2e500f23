"""Rows of an export in order, page by page: what happened, as lines of JSON."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec
from msgspec import Struct

from fedsight.collector.export.request import Scope, TableName
from fedsight.collector.export.selections import wanted
from fedsight.collector.export.source import Source
from fedsight.collector.reading import queries
from fedsight.collector.reading.clients import (
    CLIENT_FIELDS,
    ClientFilter,
    client_page,
    client_table,
)
from fedsight.collector.reading.federated_metrics import within
from fedsight.collector.reading.rows import ClientRow, EventRow, RoundRow, RunSummary, SpanRow
from fedsight.collector.reading.spans import SpanFilter, span_page, span_table
from fedsight.door.times import now_ns

ROWS: dict[TableName, type[Struct]] = {
    "events": EventRow,
    "runs": RunSummary,
    "rounds": RoundRow,
    "clients": ClientRow,
    "spans": SpanRow,
}
#: Rows that name no run themselves get it as their first column.
NAMELESS: frozenset[TableName] = frozenset({"rounds", "clients", "spans"})
SQL_TYPES = {int: "BIGINT", float: "DOUBLE", str: "VARCHAR", bool: "BOOLEAN"}
PAGE = 1000
#: Clients or spans that are turned into rows at once, about.
CELLS = 50_000
EVERYTHING = 2**40


def sql_columns(table: TableName) -> dict[str, str]:
    """The table's columns and their SQL types; what is an object or a list is JSON."""
    found = {"run": "VARCHAR"} if table in NAMELESS else {}
    fields = msgspec.structs.fields(ROWS[table])
    return found | {field.encode_name: _sql_type(field.type) for field in fields}


def _sql_type(kind: Any) -> str:
    unions = get_origin(kind) in (Union, UnionType)
    kinds = [one for one in (get_args(kind) if unions else [kind]) if one is not NoneType]
    if len(kinds) > 1:
        return "JSON"
    return "VARCHAR" if get_origin(kinds[0]) is Literal else SQL_TYPES.get(kinds[0], "JSON")


class Page(NamedTuple):
    """Lines of JSON, each with its line end, and the share of the table read so far."""

    lines: bytes
    rows: int
    done: float


def pages(source: Source, scope: Scope, table: TableName) -> Iterator[Page]:
    """The table's rows in scope: events by id, runs oldest first, the others by run and round."""
    if table == "events":
        yield from _events(source, scope)
        return
    ids = source.rows(lambda store: run_ids(store, scope))
    for at, run in enumerate(ids):
        for rows, done in _of_run(source, scope, run, table):
            lines = b"".join(_line(run, row, table) for row in rows)
            yield Page(lines, len(rows), (at + done) / len(ids))


def _line(run: str, row: Struct, table: TableName) -> bytes:
    text = msgspec.json.encode(row)
    if table in NAMELESS:
        text = b'{"run":' + msgspec.json.encode(run) + b"," + text[1:]
    return text + b"\n"


def run_ids(store: sqlite3.Connection, scope: Scope) -> list[str]:
    """The run of the scope, or all that went on within its time, oldest first."""
    start, end = scope.bounds
    found = store.execute(
        "SELECT id FROM runs WHERE (:run IS NULL OR id = :run)"
        " AND coalesce(started, first_seen) < :end AND last_seen >= :start"
        " ORDER BY coalesce(started, first_seen), id",
        {"run": scope.run, "start": start, "end": end},
    )
    return [row[0] for row in found]


Rows = Sequence[Struct]


def _of_run(
    source: Source, scope: Scope, run: str, table: TableName
) -> Iterator[tuple[Rows, float]]:
    """Pages of one run's rows, and the share of the run read with each."""
    if table == "runs":
        summary = source.rows(lambda store: queries.run(store, run, now_ns()))
        yield ([] if summary is None else [summary]), 1.0
        return
    ranges = source.rows(lambda store: round_ranges(store, scope, run, table))
    for at, (first, last) in enumerate(ranges, 1):
        rows = source.rows(lambda store, a=first, b=last: _table(store, run, table, a, b))  # type: ignore[misc]
        if table == "rounds":
            bounds = _inclusive(scope)
            rows = [r for r in rows if isinstance(r, RoundRow) and within(r, *bounds)]
        yield rows, at / len(ranges)


def _inclusive(scope: Scope) -> tuple[int | None, int | None]:
    return scope.start, None if scope.end is None else scope.end - 1


def _table(store: sqlite3.Connection, run: str, table: TableName, first: int, last: int) -> Rows:
    if table == "rounds":
        page = queries.rounds(store, run, from_round=first, to_round=last, limit=EVERYTHING)
        return page.rounds
    if table == "spans":
        return span_page(span_table(store, run, SpanFilter(first, last, EVERYTHING))).spans
    which = ClientFilter(first, last, None, EVERYTHING)
    return client_page(client_table(store, run, which, CLIENT_FIELDS)).clients


def round_ranges(
    store: sqlite3.Connection, scope: Scope, run: str, table: TableName
) -> list[tuple[int, int]]:
    """Ranges of rounds, both ends included, of which each fits in memory, without a hole.

    With a range of time: of the rounds that began within it.
    """
    start, end = scope.bounds
    timed = scope.start is not None or scope.end is not None
    found = store.execute(
        "SELECT round FROM rounds WHERE run = ? AND (? OR started >= ? AND started < ?)"
        " ORDER BY round",
        (run, not timed, start, end),
    )
    rounds = [row[0] for row in found]
    nodes = max(1, len(queries.node_order(store, run)))
    width = PAGE if table == "rounds" else max(1, CELLS // nodes)
    begins = rounds[::width]
    if timed and not rounds:
        return []
    first, last = (rounds[0], rounds[-1]) if timed else (0, queries.LAST_ROUND)
    begins = [first, *begins[1:]]
    return list(zip(begins, [*(begin - 1 for begin in begins[1:]), last], strict=True))


def _events(source: Source, scope: Scope) -> Iterator[Page]:
    """Events by id; the newest when it begins is the last."""
    newest = source.rows(queries.last_event_id)
    after = 0
    while after < newest:
        rows, read = source.rows(lambda store, at=after: event_page(store, scope, at, newest))  # type: ignore[misc]
        after = read
        lines = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
        yield Page(lines, len(rows), after / newest)


def event_page(
    store: sqlite3.Connection, scope: Scope, after: int, newest: int
) -> tuple[list[EventRow], int]:
    """Events in scope among the next after an id, and the id up to which all were looked at."""
    start, end = scope.bounds
    began, ended = scope.while_run
    found = store.execute(
        "SELECT id, time, source, kind, run, round, node, details FROM events"
        " WHERE id > :after AND id <= :newest AND time >= :start AND time < :end"
        " AND (:run IS NULL OR run = :run OR run IS NULL AND time BETWEEN :began AND :ended)"
        " ORDER BY id LIMIT :limit",
        {
            "after": after,
            "newest": newest,
            "start": start,
            "end": end,
            "run": scope.run,
            "began": began,
            "ended": ended - 1,
            "limit": PAGE,
        },
    ).fetchall()
    rows = [
        queries.event_row(row) for row in found if wanted(row[2], row[4], scope, scope.components)
    ]
    return rows, found[-1][0] if len(found) == PAGE else newest
