"""The ways in: shipments of journals, columns of samples, line protocol. See docs/ingest.md."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from fedsight.collector.ingest import DiskFullError, refused_as
from fedsight.collector.reading.rows import Accepted
from fedsight.collector.running import Collector
from fedsight.collector.store.hotlog import Prepared
from fedsight.collector.store.prepare import Record, checked_record
from fedsight.collector.taking.arrivals import Taken, beyond, too_far
from fedsight.collector.taking.bodies import undecodable
from fedsight.collector.taking.columns import UNITS, DirectSamples
from fedsight.collector.taking.lines import Lines, told
from fedsight.door.body import read_body
from fedsight.door.endpoint import Endpoint, Nothing
from fedsight.door.guard import client_address
from fedsight.door.inflating import unpacked
from fedsight.door.refusal import BadFieldError, RefusedError, too_many
from fedsight.door.times import now_ns
from fedsight.errors import StoreError
from fedsight.journal import GapError
from fedsight.signals import Shipment, Text

Answer = TypeVar("Answer")
Decoded = TypeVar("Decoded")

#: Bodies above this are decoded in a thread: these take some milliseconds.
SMALL_BODY = 512 * 1024
#: Columns up to this are read together with others'.
LITTLE_BODY = 64 * 1024
RETRY_SECONDS = 1.0
#: Tells what became of the samples of an answer without a body.
TAKEN = "Fedsight-Taken"

Precision = Literal["n", "ns", "u", "us", "µ", "ms", "s", "m", "h"]


class SamplesQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """What the times of the body count."""

    precision: Precision = "ns"


class WriteQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """InfluxDB's parameters. There is one database: `db`, `rp` and `consistency` change nothing."""

    precision: Precision = "ns"
    db: Text | None = None
    rp: Text | None = None
    consistency: Text | None = None


async def ingest(collector: Collector, request: Request, _: Nothing) -> Response:
    """Store a shipment; answers after the commit is on disk."""

    async def store(body: bytes) -> Response:
        shipment = await _decoded(body, lambda: _shipment(collector, body))
        try:
            seq = await _kept(collector.ingest.submitted(shipment))
        except GapError as gap:
            seq = gap.expected_seq
            message = f"records before {shipment.first_seq} are missing; send from {seq} on"
            raise RefusedError(409, "gap", message, expected_seq=seq) from None
        return _Json(Accepted(seq))

    return await _admitted(collector, request, store)


async def samples(collector: Collector, request: Request, query: SamplesQuery) -> Response:
    """Store columns of samples; answers after the commit is on disk."""
    unit = UNITS[query.precision]

    async def store(body: bytes) -> Response:
        if len(body) <= LITTLE_BODY:
            return _Json(await _kept(collector.together.taken(body, unit)))
        record = await _decoded(body, lambda: _columns(collector, body, unit))
        taken = await _kept(collector.ingest.taken(record))
        return _Json(taken)

    return await _admitted(collector, request, store)


async def write(collector: Collector, request: Request, query: WriteQuery) -> Response:
    """Store line protocol; good lines are kept where others are refused."""
    unit = UNITS[query.precision]

    async def store(body: bytes) -> Response:
        lines = await _decoded(body, lambda: _lines(collector, body, unit))
        taken = Taken()
        if lines.line.size:
            record = checked_record(lines.columns, [], [])
            taken = await _kept(collector.ingest.taken(record))
        collector.ingest.tally.absent += lines.absent
        if lines.bad:
            raise _partly(lines, taken)
        return Response(status_code=204, headers=_headers(taken, lines.absent))

    return await _admitted(collector, request, store)


ERRORS = (400, 408, 413, 415, 422, 503, 507)
ENDPOINTS = (
    Endpoint(
        "POST",
        "/api/v1/ingest",
        ingest,
        Nothing,
        (Accepted,),
        Shipment,
        (409, *ERRORS),
    ),
    Endpoint("POST", "/api/v1/samples", samples, SamplesQuery, (Taken,), DirectSamples, ERRORS),
    Endpoint("POST", "/api/v1/write", write, WriteQuery, (), None, ERRORS, status=204, lines=True),
)


async def _admitted(
    collector: Collector, request: Request, store: Callable[[bytes], Awaitable[Response]]
) -> Response:
    """What `store` answers to the body, which is bounded with all others that wait; refusals are
    counted."""
    held = 0
    try:
        wait = collector.ingest_rate.take(client_address(request.scope), time.monotonic())
        if wait:
            raise too_many("too many requests to store", wait)
        most = collector.options.body_bytes
        came = await read_body(request, most)
        body = await unpacked(came, _encoding(request.scope), most)
        if collector.waiting_bytes + len(body) > collector.options.waiting_bytes:
            raise too_many("too many requests wait for the disk", RETRY_SECONDS)
        held = len(body)
        collector.waiting_bytes += held
        return await store(body)
    except (RefusedError, BadFieldError) as refused:
        collector.ingest.tally.refused[refused_as(refused)] += 1
        raise
    finally:
        collector.waiting_bytes -= held


def _encoding(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"content-encoding":
            return str(value, "latin-1")
    return ""


async def _decoded(body: bytes, decode: Callable[[], Decoded]) -> Decoded:
    """What `decode` makes of the body, off the event loop where that takes long.

    Raises RefusedError (400) where it does not parse, BadFieldError where a value is out of range.
    """
    try:
        return await asyncio.to_thread(decode) if len(body) > SMALL_BODY else decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise undecodable(error) from None


def _shipment(collector: Collector, body: bytes) -> Prepared:
    with collector.decoders.shipments.lent() as decoder:
        return decoder.prepared(body)


def _columns(collector: Collector, body: bytes, unit: int) -> Record:
    with collector.decoders.columns.lent() as reader:
        block = reader.read(body, unit)
    now, ahead = now_ns(), collector.options.future_ns
    at = beyond(block.time, now, ahead)
    if at is not None:
        raise BadFieldError(f"time[{at}]", too_far(int(block.time[at]), now, ahead))
    return checked_record(block, [], [])


def _lines(collector: Collector, body: bytes, unit: int) -> Lines:
    now, ahead = now_ns(), collector.options.future_ns
    with collector.decoders.lines.lent() as reader:
        lines = reader.read(body, unit, now)
    time_ = lines.columns.time
    at = beyond(time_, now, ahead)
    if at is None:
        return lines
    return lines.without(time_ > now + ahead, too_far(int(time_[at]), now, ahead))


async def _kept(commit: Awaitable[Answer]) -> Answer:
    """The answer after the commit; 507 where the disk is full, 503 where it cannot be written."""
    try:
        return await commit
    except DiskFullError as error:
        raise RefusedError(507, "disk_full", str(error)) from error
    except StoreError as error:
        raise RefusedError(503, "store", str(error)) from error


def _partly(lines: Lines, taken: Taken) -> RefusedError:
    kept = f"{taken.stored} samples of the others are kept" if taken.stored else "nothing is kept"
    message = f"partial write: {len(lines.bad)} lines are refused, {kept}: {told(lines.bad)}"
    code = "partial_write" if taken.stored else "lines"
    return RefusedError(400, code, message, headers=_headers(taken, lines.absent))


def _headers(taken: Taken, absent: int) -> dict[str, str]:
    """What is worth telling: late, repeated, future or absent samples."""
    counts = {**msgspec.structs.asdict(taken), "absent": absent}
    if not any(count for name, count in counts.items() if name != "stored"):
        return {}
    return {TAKEN: ", ".join(f"{name}={count}" for name, count in counts.items() if count)}


class _Json(Response):
    """As `Response`, with two headers written down at once."""

    def __init__(self, answer: Struct) -> None:
        self.status_code, self.background = 200, None
        self.body = msgspec.json.encode(answer)
        length = b"%d" % len(self.body)
        self.raw_headers = [(b"content-length", length), (b"content-type", b"application/json")]
