"""What the monitors make known of the services."""

from __future__ import annotations

from fedsight.collector.monitors.contract import AwayError, Found, Pace
from fedsight.collector.monitors.fl_answers import FlServerState
from fedsight.collector.monitors.record import MonitorRecord
from fedsight.collector.monitors.watched import server_status, services_health
from fedsight.collector.reading.rows import ServerStatus
from tests.collector.monitors.board import Scripted

RUNNING = ServerStatus("training", 7, 9, "2026-11-22T09:52:00.000000Z")
NO_RUN = ServerStatus("unknown")
NOON = 1_764_072_000 * 10**9


async def nothing(_: int) -> Found:
    return Found()


def record(*states: FlServerState | Exception) -> dict[str, MonitorRecord]:
    """A monitor after looks that gave these."""
    found = MonitorRecord(Scripted("fl_server", nothing), Pace(5.0, 10.0))
    for state in states:
        found.cycles += 1
        if isinstance(state, Exception):
            found.failed(state, NOON)
        else:
            found.succeeded(NOON)
            found.state = state
    return {"fl_server": found}


def test_a_server_that_was_never_reached_is_as_its_newest_run_shows_it() -> None:
    for records in ({}, record(), record(AwayError("away"))):
        assert server_status(records, RUNNING) == RUNNING
        assert server_status(records, NO_RUN) == NO_RUN
        assert services_health(records)["fl_server"].status == "unknown"


def test_a_server_that_answers_is_as_it_says() -> None:
    records = record(FlServerState("paused", "r-1", 3, 20, 4))
    when = "2025-11-25T12:00:00.000000Z"
    assert server_status(records, RUNNING) == ServerStatus("paused", 3, 4, when)


def test_one_that_idles_leaves_the_word_to_a_run_without_it() -> None:
    records = record(FlServerState("idle"))
    assert server_status(records, RUNNING) == RUNNING
    assert server_status(records, NO_RUN).status == "idle"


def test_one_that_went_away_is_away_unless_there_is_news_of_a_run_since() -> None:
    records = record(FlServerState("training", "r-1", 3), AwayError("gone"))
    when = "2025-11-25T12:00:00.000000Z"
    assert server_status(records, RUNNING) == RUNNING
    stale = ServerStatus("training", 7, 9, "2025-11-25T11:59:59.000000Z")
    for newest in (NO_RUN, stale):
        assert server_status(records, newest) == ServerStatus("away", last_update=when)
    health = services_health(records)["fl_server"]
    assert (health.status, health.latency_ms, health.error) == ("degraded", None, "gone")
