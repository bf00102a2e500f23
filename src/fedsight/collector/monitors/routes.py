"""The routes of what is watched: the monitors themselves, and the network over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import Response

from fedsight.collector.monitors.network import NetworkState
from fedsight.collector.monitors.network_metrics import (
    NetworkFigures,
    NetworkMetrics,
    network_figures,
    network_metrics,
    seconds_of,
)
from fedsight.collector.monitors.record import MonitorRecord, Standing
from fedsight.collector.monitors.watched import current
from fedsight.door.endpoint import Endpoint, Nothing
from fedsight.door.times import now_ns, rfc3339_or_none

if TYPE_CHECKING:
    from fedsight.collector.running import Collector

SECOND = 1_000_000_000
KEPT_FROM_SECONDS = 3600


class MonitorRow(Struct, frozen=True):
    """One monitor. `status`: `waiting` for its first look, `unknown` where what it watches was
    never reached, `healthy`, or `failing` where it was and the last look failed."""

    name: str
    address: str
    status: Standing
    interval_seconds: float
    deadline_seconds: float
    cycles: int
    successes: int
    failures: int
    failures_in_a_row: int
    samples: int
    events: int
    last_run: str | None
    last_success: str | None
    last_seconds: float | None
    last_error: str | None
    next_run: str | None

    @classmethod
    def of(cls, record: MonitorRecord) -> MonitorRow:
        """The row of a monitor."""
        return cls(
            record.monitor.name,
            record.monitor.address,
            record.standing,
            record.pace.interval,
            record.pace.deadline,
            record.cycles,
            record.successes,
            record.failures,
            record.in_a_row,
            record.samples,
            record.events,
            rfc3339_or_none(record.last_run),
            rfc3339_or_none(record.reached),
            record.last_seconds,
            record.last_error,
            rfc3339_or_none(record.next_run),
        )


class MonitorList(Struct, frozen=True):
    """The monitors that run; what is switched off has none."""

    monitors: list[MonitorRow]


class NetworkQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Over how long up to now."""

    timeframe: Annotated[str, Meta(max_length=16)] = "1h"


async def monitors(collector: Collector, _: Request, __: Nothing) -> Response:
    """What is watched, and how each look went."""
    records = collector.monitoring.records.values()
    return _json(MonitorList([MonitorRow.of(record) for record in records]))


async def network(collector: Collector, _: Request, query: NetworkQuery) -> Response:
    """The network over a timeframe."""
    figures = await _figures(collector, query.timeframe)
    state = current(collector.monitoring.records, "sdn_controller", NetworkState)
    return _json(network_metrics(query.timeframe, state, figures))


async def _figures(collector: Collector, timeframe: str) -> NetworkFigures:
    """What was measured; over an hour and more, handed out again for as long as the cache keeps it,
    which is less than a fiftieth of that."""
    seconds, key = seconds_of(timeframe), f"network:{timeframe}"
    kept = None
    if seconds >= KEPT_FROM_SECONDS:
        kept = await collector.backends.current.aggregated(key)
    if kept is not None:
        return msgspec.json.decode(kept, type=NetworkFigures)
    end = now_ns()
    start = end - seconds * SECOND
    figures = await collector.search(lambda samples: network_figures(samples, start, end))
    if seconds >= KEPT_FROM_SECONDS:
        await collector.backends.current.keep(key, msgspec.json.encode(figures))
    return figures


def _json(answer: Struct) -> Response:
    return Response(msgspec.json.encode(answer), media_type="application/json")


ENDPOINTS = (
    Endpoint("GET", "/api/v1/monitors", monitors, Nothing, (MonitorList,)),
    Endpoint(
        "GET", "/api/v1/network/metrics", network, NetworkQuery, (NetworkMetrics,), errors=(422,)
    ),
)
