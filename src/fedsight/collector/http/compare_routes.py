"""`GET /api/v1/compare`: runs side by side, for scripts and the command line."""

from __future__ import annotations

import sqlite3
from typing import Annotated

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from fedsight.collector.reading import queries
from fedsight.collector.reading.compare import Comparison, compared
from fedsight.collector.running import Collector
from fedsight.door.refusal import BadFieldError, RefusedError
from fedsight.door.times import now_ns

FEWEST, MOST = 2, 50


class CompareQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which runs: ids parted by commas, 2 to 50 of them."""

    runs: Annotated[str, Meta(max_length=16_384)] = ""


async def compare(collector: Collector, _: Request, query: CompareQuery) -> Response:
    """Runs side by side: their figures, deltas to the first, and where their settings differ."""
    ids = wanted(query.runs)
    answer = await collector.readers.ask(lambda store: msgspec.json.encode(comparison(store, ids)))
    return Response(answer, media_type="application/json")


def wanted(text: str) -> list[str]:
    """The ids in a list, each once; raises BadFieldError for too few or too many."""
    ids = list(dict.fromkeys(part for part in text.split(",") if part))
    if not FEWEST <= len(ids) <= MOST:
        message = f"must name {FEWEST} to {MOST} runs, parted by commas; got {len(ids)}"
        raise BadFieldError("runs", message)
    return ids


def comparison(store: sqlite3.Connection, ids: list[str]) -> Comparison:
    """The runs of these ids; 404 naming the first that is not there."""
    found = [queries.run(store, each, now_ns()) for each in ids]
    missing = [each for each, run in zip(ids, found, strict=True) if run is None]
    if missing:
        raise RefusedError(404, "not_found", f"there is no run {missing[0]!r}", field="runs")
    return compared([run for run in found if run is not None])
