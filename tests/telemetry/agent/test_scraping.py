"""Looks at a real HTTP target: what is written, what is counted, and what is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest as Request,
)

from fedsight.door.outbound import outbound_client
from fedsight.errors import SettingsError
from fedsight.telemetry.agent.bridge import Endpoint
from fedsight.telemetry.agent.exposition import Bounds
from fedsight.telemetry.agent.figures import Figures
from fedsight.telemetry.agent.options import AgentOptions
from fedsight.telemetry.agent.options import Target as Named
from fedsight.telemetry.agent.queue import Queue
from fedsight.telemetry.agent.scraping import Scraper
from tests.telemetry.agent.receiver import rows_of
from tests.telemetry.agent.target import Target, exposed

NAME = "scaphandre-metrics"
NOWHERE = Endpoint("http://127.0.0.1:4317")


class Times:
    """A wall clock that says what a test lists, then goes on in seconds."""

    def __init__(self, *said: int) -> None:
        self._said = list(said)
        self._last = 0

    def __call__(self) -> int:
        self._last = self._said.pop(0) if self._said else self._last + 10**9
        return self._last


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    made = Queue(tmp_path / "queue", 10_000_000)
    yield made
    made.close()


def looked(
    queue: Queue,
    url: str,
    looks: int,
    now: Times | None = None,
    token: Path | None = None,
    **options: Any,
) -> tuple[Figures, list[tuple[int, float]]]:
    """The figures after so many looks, and times with values of what was written."""
    target, figures = Named(NAME, url, token_file=token), Figures()
    told = AgentOptions("n", "h", (target,), NOWHERE, Path("unused"), **options)
    scraper = Scraper(target, told, "1", queue, figures, now or Times())

    async def all_of_them() -> None:
        async with outbound_client(timeout=2) as client:
            for _ in range(looks):
                await scraper.look(client)

    asyncio.run(all_of_them())
    body = b"".join(each.body for each in queue.head(queue.last, 10_000_000))
    rows = (row for row in rows_of(Request.FromString(body)) if row[2] == "load")
    return figures, [(row[4], row[5]) for row in rows]


def test_each_scrape_is_written_with_its_time(queue: Queue) -> None:
    with exposed(Target()) as page:
        figures, found = looked(queue, page, 3)
    assert found == [(10**9, 1.0), (2 * 10**9, 2.0), (3 * 10**9, 3.0)]
    assert (figures.scrapes[NAME], figures.points[NAME]) == (3, 6)
    assert figures.up == {NAME: True}


def test_a_clock_that_goes_back_is_told_and_taken_at_its_word(
    queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    with exposed(Target()) as page, caplog.at_level(logging.WARNING):
        figures, found = looked(queue, page, 3, Times(50 * 10**9, 20 * 10**9))
    assert [time // 10**9 for time, _ in found] == [50, 20, 21]
    assert figures.clock_steps == 1
    assert "the clock went back by 30.000 s" in caplog.text


def test_a_counter_that_began_anew_is_counted(queue: Queue) -> None:
    values = {1: 500, 2: 900, 3: 100, 4: 200}
    target = Target(lambda scrape: f"# TYPE energy counter\nenergy {values[scrape]}\n")
    with exposed(target) as page:
        figures, _ = looked(queue, page, 4)
    assert figures.resets[NAME] == 1


@pytest.mark.parametrize(
    ("page", "kind", "said"),
    [
        ("load one\n", "text/plain", "no Prometheus text"),
        ("load 1", "text/plain", "in the middle of a line"),
        ("load 1\n" * 200, "text/plain", "more than 1000 bytes"),
        ("# TYPE load gauge\nload 1\n", "application/openmetrics-text", "EOF"),
    ],
)
def test_a_page_that_is_none_is_told_and_nothing_written(
    queue: Queue, caplog: pytest.LogCaptureFixture, page: str, kind: str, said: str
) -> None:
    target = Target(lambda _: page)
    target.kind = kind
    with exposed(target) as url, caplog.at_level(logging.WARNING):
        figures, found = looked(queue, url, 2, bounds=Bounds(bytes=1000))
    assert (found, figures.scrape_failures[NAME], figures.up[NAME]) == ([], 2, False)
    assert caplog.text.count(said) == 1, "once, not at each look"


def test_a_target_that_nobody_serves_is_told(
    queue: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    with exposed(Target()) as url:
        pass
    with caplog.at_level(logging.WARNING):
        figures, found = looked(queue, f"{url}?token=secret", 1)
    assert (found, figures.scrape_failures[NAME]) == ([], 1)
    assert "does not answer" in caplog.text
    assert "secret" not in caplog.text


def test_a_target_that_asks_for_a_token_is_shown_it(
    queue: Queue, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is read anew for each look, and never told."""
    target, token = Target(), tmp_path / "token"
    target.token = "right"
    with exposed(target) as page, caplog.at_level(logging.WARNING):
        for held, said in (
            (None, "wants a token"),
            ("wrong", "wants another token"),
            ("sec\nret", "holds no token"),
            ("sécret", "holds no token"),
        ):
            token.write_text(held or "unused")
            assert looked(queue, page, 1, token=token if held else None)[1] == []
            assert said in caplog.text
            assert held is None or held not in caplog.text
        token.unlink()
        assert looked(queue, page, 1, token=token)[1] == []
        assert f"cannot read {token}" in caplog.text
        token.write_text("right\n")
        assert looked(queue, page, 1, token=token)[1] == [(10**9, 1.0)]
    assert target.shown == [None, "Bearer wrong", "Bearer right"]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_with_the_token(
    queue: Queue, tmp_path: Path, status: int
) -> None:
    (tmp_path / "token").write_text("secret")
    target, other = Target(), Target()
    target.status = status
    with exposed(other) as elsewhere, exposed(target) as page:
        target.elsewhere = elsewhere
        figures, found = looked(queue, page, 2, token=tmp_path / "token")
    assert (found, figures.scrape_failures[NAME]) == ([], 2)
    assert target.shown == ["Bearer secret"] * 2
    assert other.shown == []


def test_a_full_queue_drops_the_oldest_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    small = Queue(tmp_path / "small", 2_000)
    with exposed(Target()) as page, caplog.at_level(logging.WARNING):
        figures, found = looked(small, page, 20, queue_bytes=2_000)
    small.close()
    assert found[-1][1] == 20.0
    assert len(found) + figures.dropped.scrapes == 20
    assert figures.dropped.scrapes > 0
    assert caplog.text.count("the queue is full (2000 bytes)") == 1


def test_a_node_has_a_name_without_a_path() -> None:
    with pytest.raises(SettingsError, match=r"agent\.node must be a name.*got '\.\./x'"):
        AgentOptions("../x", "h", (Named("t", "http://x/"),), NOWHERE, Path("unused"))


def test_a_short_interval_begins_on_its_multiples(queue: Queue) -> None:
    """So an agent that starts anew comes back to the slots of its node's window."""
    interval = 0.5

    async def some_of_them(scraper: Scraper) -> None:
        async with outbound_client(timeout=2) as client:
            running = asyncio.create_task(scraper.run(client))
            await asyncio.sleep(3 * interval)
            scraper.stop()
            await running

    with exposed(Target()) as page:
        target = Named(NAME, page, interval)
        told = AgentOptions("n", "h", (target,), NOWHERE, Path("unused"))
        asyncio.run(some_of_them(Scraper(target, told, "1", queue, Figures())))
    body = b"".join(each.body for each in queue.head(queue.last, 10_000_000))
    times = {row[4] for row in rows_of(Request.FromString(body))}
    assert len(times) >= 2
    assert min(time / 1e9 % interval for time in times) < interval / 2
