"""What each route answers. Reads run in reading threads, so that the event loop stays free."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from fedsight import __version__
from fedsight.collector.http import parameters
from fedsight.collector.monitors import watched
from fedsight.collector.reading import queries
from fedsight.collector.reading.clients import (
    CLIENT_FIELDS,
    ClientFilter,
    client_columns,
    client_page,
    client_table,
)
from fedsight.collector.reading.columns import ROUND_FIELDS, round_columns
from fedsight.collector.reading.federated_metrics import federated_metrics
from fedsight.collector.reading.rows import (
    ColumnPage,
    Components,
    Health,
    RunSummary,
    ServerStatus,
    SystemStatus,
)
from fedsight.collector.reading.spans import (
    SPAN_FIELDS,
    SpanFilter,
    span_columns,
    span_page,
    span_table,
)
from fedsight.collector.running import Collector
from fedsight.door.endpoint import Nothing
from fedsight.door.refusal import RefusedError
from fedsight.door.times import now_ns, rfc3339


def json(answer: Struct, status: int = 200) -> Response:
    """A struct as JSON."""
    return Response(msgspec.json.encode(answer), status, media_type="application/json")


async def _read(collector: Collector, question: Callable[[sqlite3.Connection], Struct]) -> Response:
    encoded = await collector.readers.ask(lambda store: msgspec.json.encode(question(store)))
    return Response(encoded, media_type="application/json")


async def runs(collector: Collector, _: Request, query: parameters.RunsQuery) -> Response:
    """Runs, newest first."""
    which = queries.RunFilter(query.state, query.task, query.limit, query.offset, query.after)
    return await _read(collector, lambda store: queries.runs(store, which, now_ns()))


async def run(collector: Collector, request: Request, _: Nothing) -> Response:
    """One run."""
    run_id = request.path_params["run"]
    return await _read(collector, lambda store: known_run(store, run_id))


def known_run(store: sqlite3.Connection, run_id: str) -> RunSummary:
    """The run; 404 where there is none of this id."""
    found = queries.run(store, run_id, now_ns())
    if found is None:
        raise RefusedError(404, "not_found", f"there is no run {run_id!r}")
    return found


async def rounds(collector: Collector, request: Request, query: parameters.TableQuery) -> Response:
    """Rounds of a run, in order."""
    fields = parameters.chosen(query, ROUND_FIELDS)

    def answer(store: sqlite3.Connection) -> Struct:
        run_id = known_run(store, request.path_params["run"]).id
        page = queries.rounds(
            store,
            run_id,
            from_round=query.from_round,
            to_round=query.to_round,
            limit=query.most,
            offset=query.offset,
        )
        if query.layout == "rows":
            return page
        return ColumnPage(len(page.rounds), page.total, round_columns(page, fields))

    return await _read(collector, answer)


async def clients(
    collector: Collector, request: Request, query: parameters.ClientsQuery
) -> Response:
    """Clients of a run, by round, then node in the run's order."""
    fields = parameters.chosen(query, CLIENT_FIELDS)
    which = ClientFilter(query.from_round, query.to_round, query.node, query.most, query.offset)

    def answer(store: sqlite3.Connection) -> Struct:
        run_id = known_run(store, request.path_params["run"]).id
        table = client_table(store, run_id, which, fields)
        if query.layout == "rows":
            return client_page(table)
        return ColumnPage(len(table.round), table.total, client_columns(table, fields))

    return await _read(collector, answer)


async def spans(collector: Collector, request: Request, query: parameters.TableQuery) -> Response:
    """Spans of a run, by round, then start."""
    fields = parameters.chosen(query, SPAN_FIELDS)
    which = SpanFilter(query.from_round, query.to_round, query.most, query.offset)

    def answer(store: sqlite3.Connection) -> Struct:
        run_id = known_run(store, request.path_params["run"]).id
        table = span_table(store, run_id, which)
        if query.layout == "rows":
            return span_page(table)
        return ColumnPage(len(table.round), table.total, span_columns(table, fields))

    return await _read(collector, answer)


async def all_events(
    collector: Collector, request: Request, query: parameters.EventsQuery
) -> Response:
    """Events of every run and of none, by id."""
    which = queries.EventFilter(query.after, query.kind, query.round, query.limit)
    return await _read(collector, lambda store: queries.events(store, None, which))


async def events(collector: Collector, request: Request, query: parameters.EventsQuery) -> Response:
    """Events of a run, by id."""
    which = queries.EventFilter(query.after, query.kind, query.round, query.limit)

    def answer(store: sqlite3.Connection) -> Struct:
        run_id = known_run(store, request.path_params["run"]).id
        return queries.events(store, run_id, which)

    return await _read(collector, answer)


async def fl_metrics(collector: Collector, _: Request, query: parameters.MetricsQuery) -> Response:
    """A run's global metrics as columns and each client's means; by default the newest run."""
    start, end = parameters.moment("from", query.start), parameters.moment("to", query.end)

    def answer(store: sqlite3.Connection) -> Struct:
        wanted = query.experiment_id
        run_id = queries.newest_run(store) if wanted is None else known_run(store, wanted).id
        return federated_metrics(store, run_id, start, end)

    return await _read(collector, answer)


async def health(collector: Collector, _: Request, __: Nothing) -> Response:
    """Whether the collector can keep and answer."""
    level, parts = await collector.health()
    store_id = collector.directory.store_id
    moment = rfc3339(now_ns())
    return json(Health(level, "fedsight-collector", moment, __version__, store_id, parts))


async def status(collector: Collector, _: Request, __: Nothing) -> Response:
    """The whole system at a glance."""
    level, _parts = await collector.health()
    server, counts = await collector.readers.ask(
        lambda store: (server_status(store, now_ns()), queries.counts(store))
    )
    records = collector.monitoring.records
    components = Components(
        watched.server_status(records, server),
        watched.policy_status(records),
        watched.network_status(records),
    )
    return json(SystemStatus(rfc3339(now_ns()), level, components, counts))


def server_status(store: sqlite3.Connection, now: int) -> ServerStatus:
    """The federated server as its newest run shows it."""
    newest = queries.runs(store, queries.RunFilter(limit=1), now).runs
    if not newest:
        return ServerStatus("unknown")
    run_now = newest[0]
    rows = queries.rounds(store, run_now.id, from_round=run_now.round, to_round=run_now.round)
    active = rows.rounds[0].participants if rows.rounds else None
    return ServerStatus(run_now.state, run_now.round, active, run_now.last_seen)
