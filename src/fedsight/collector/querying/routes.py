"""What `/api/v1/query` and `/api/v1/series` answer. Reads run in reading threads."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from fedsight.collector.http.parameters import ROWS
from fedsight.collector.querying import paging
from fedsight.collector.querying.grouping import grouped
from fedsight.collector.querying.parameters import MOST_COUNTED, PointsQuery, SeriesQuery
from fedsight.collector.querying.question import (
    MOST_SERIES,
    Question,
    check_points,
    check_series,
    cursor,
    listing,
    question,
    too_many,
)
from fedsight.collector.querying.rendering import (
    AnswerHead,
    SamplesAnswer,
    SeriesList,
    chunks,
    csv_pieces,
    json_pieces,
    json_whole,
)
from fedsight.collector.running import Collector
from fedsight.collector.store.contract import SampleSearch
from fedsight.door.endpoint import Endpoint
from fedsight.door.refusal import BadFieldError, RefusedError
from fedsight.door.times import now_ns, rfc3339

#: Answers above this are sent while they are written.
SMALL = 10 * ROWS
NEXT = "Fedsight-Next"

Answer = TypeVar("Answer")


async def query(collector: Collector, request: Request, query: PointsQuery) -> Response:
    """Samples of the series that match, as they are or gathered into windows."""
    csv = query.format == "csv" or (query.format is None and wants_csv(request))
    ns = query.times == "ns"

    def ask(store: sqlite3.Connection, samples: SampleSearch) -> Told:
        of_run = None if query.run is None else run_range(store, query.run)
        asked = question(query, now_ns(), of_run)
        return told(asked, answered(samples, asked), csv=csv, ns=ns)

    def at_hand(store: sqlite3.Connection) -> Told | None:
        of_run = None if query.run is None else run_range(store, query.run)
        asked = question(query, now_ns(), of_run)
        samples = collector.readers.archive.at_hand(store, asked.selection)
        return None if samples is None else told(asked, answered(samples, asked), csv=csv, ns=ns)

    # Handing a question over takes as long as answering what is in memory. While others are being
    # answered they hold locks.
    alone = query.step is None and query.aggregation is None and not collector.questions.asking
    found = collector.readers.ask_now(at_hand) if alone else None
    if found is None:
        found = await in_turn(collector, ask)
    media = "text/csv" if csv else "application/json"
    headers = {NEXT: found.next} if csv and found.next is not None else {}
    if isinstance(found.body, bytes):
        return Response(found.body, headers=headers, media_type=media)
    # A plain generator is driven by worker threads, so that the event loop stays free.
    return StreamingResponse(chunks(found.body), headers=headers, media_type=media)


async def series(collector: Collector, _: Request, query: SeriesQuery) -> Response:
    """Series that match, by name, then labels."""
    selection = listing(query, now_ns())
    found = await in_turn(collector, lambda _, samples: samples.series(selection, MOST_COUNTED + 1))
    total = len(found) if len(found) <= MOST_COUNTED else None
    rows = found[query.offset : query.offset + query.limit]
    return Response(msgspec.json.encode(SeriesList(rows, total)), media_type="application/json")


async def in_turn(
    collector: Collector, ask: Callable[[sqlite3.Connection, SampleSearch], Answer]
) -> Answer:
    """What the store answers in one go of a reading thread, once it is this question's turn.

    A pattern that is refused came in `labels`.
    """
    try:
        async with collector.questions:
            return await collector.readers.search(ask)
    except BadFieldError as error:
        if error.field != "pattern":
            raise
        raise BadFieldError("labels", str(error)) from None


def run_range(store: sqlite3.Connection, run: str) -> tuple[int, int]:
    """When a run began and when its last signal happened; 404 where there is none of this id."""
    query = "SELECT min(first_seen, coalesce(started, first_seen)), last_seen FROM runs WHERE id=?"
    found = store.execute(query, (run,)).fetchone()
    if found is None:
        raise RefusedError(404, "not_found", f"there is no run {run!r}")
    return int(found[0]), int(found[1])


def answered(samples: SampleSearch, asked: Question) -> paging.Page:
    """The answer, in memory. Raises BadFieldError where it would be too long."""
    if asked.step is None:
        page = paging.page(samples, asked.selection, asked.limit)
        if asked.rounds is None:
            return page
        return paging.Page(paging.of_rounds(page.points, asked.rounds), page.end)
    assert asked.aggregation is not None
    if too_many(asked, samples.matching(asked.selection)):  # those without a sample count not
        check_series(asked, len(samples.series(asked.selection, MOST_SERIES + 1)))
    found = samples.windows(asked.selection, asked.step, asked.aggregation)
    check_points(asked, paging.count(found))
    if asked.grouping is not None:
        found = grouped(found, asked.grouping)
    return paging.Page(found, None)


class Told(NamedTuple):
    """An answer as bytes, or as pieces of bytes where it is long; `next` is the next page's."""

    body: bytes | Iterator[bytes]
    next: str | None


def told(asked: Question, found: paging.Page, *, csv: bool, ns: bool) -> Told:
    """The answer as it is sent: a short one whole, while the reading thread has it at hand."""
    head = _head(asked, found)
    small = paging.count(found.points) <= SMALL
    if csv:
        pieces = csv_pieces(found.points, ns=ns)
        return Told(b"".join(pieces) if small else pieces, head.next)
    if small:
        return Told(json_whole(head, found.points, ns=ns), head.next)
    return Told(json_pieces(head, found.points, ns=ns), head.next)


def _head(asked: Question, found: paging.Page) -> AnswerHead:
    start, end = asked.selection.start, asked.selection.end
    return AnswerHead(
        rfc3339(start),
        rfc3339(end),
        None if asked.step is None else asked.step / 1e9,
        asked.aggregation,
        None if found.end is None else cursor(found.end, end),
    )


def wants_csv(request: Request) -> bool:
    """Whether CSV is what the Accept header names first."""
    for name, value in request.scope["headers"]:
        if name == b"accept":
            first = value.partition(b",")[0].partition(b";")[0]
            return bool(first.strip().lower() == b"text/csv")
    return False


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/v1/query",
        query,
        PointsQuery,
        (SamplesAnswer,),
        errors=(404, 422),
        text="text/csv",
    ),
    Endpoint("GET", "/api/v1/series", series, SeriesQuery, (SeriesList,), errors=(422,)),
)
