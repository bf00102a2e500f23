"""The agent's own figures, counted as it goes and told for Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from fedsight.door.exposition import Family, Figure, Kind
from fedsight.telemetry.agent.queue import Size

PREFIX = "fedsight_agent_"


@dataclass
class Figures:
    """Counts since the start of this process; those by target have its name, failures of sending
    the code of gRPC."""

    scrapes: Counter[str] = field(default_factory=Counter)
    scrape_failures: Counter[str] = field(default_factory=Counter)
    points: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    resets: Counter[str] = field(default_factory=Counter)
    unwritten: Counter[str] = field(default_factory=Counter)
    up: dict[str, bool] = field(default_factory=dict)
    clock_steps: int = 0
    requests: int = 0
    send_failures: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    rejected: int = 0
    refused: int = 0
    dropped: Size = field(default_factory=Size)

    def expect(self, target: str) -> None:
        """Count for a target from 0 on, so that it is told before anything happened."""
        for counts in (
            self.scrapes,
            self.scrape_failures,
            self.points,
            self.left_out,
            self.resets,
            self.unwritten,
        ):
            counts[target] += 0


def families(figures: Figures, waiting: Size, oldest_seconds: float | None) -> Iterable[Family]:
    """All of them, and what waits on disk."""
    yield _by("target_up", "gauge", "Whether the last scrape succeeded.", "target", figures.up)
    scraping: tuple[tuple[str, str, Mapping[str, float]], ...] = (
        ("scrapes_total", "Scrapes that succeeded.", figures.scrapes),
        ("scrape_failures_total", "Scrapes that failed.", figures.scrape_failures),
        ("scraped_points_total", "Points scraped.", figures.points),
        ("left_out_points_total", "Points without a finite value.", figures.left_out),
        ("counter_resets_total", "Counters that began anew.", figures.resets),
        ("unwritten_scrapes_total", "Scrapes that the disk did not take.", figures.unwritten),
    )
    for name, about, counts in scraping:
        yield _by(name, "counter", about, "target", counts)
    yield _one("clock_steps_back_total", "counter", "Clock set back.", figures.clock_steps)
    yield _one("queue_scrapes", "gauge", "Scrapes that wait.", waiting.scrapes)
    yield _one("queue_points", "gauge", "Points that wait.", waiting.points)
    yield _one("queue_bytes", "gauge", "Bytes that wait.", waiting.bytes)
    yield _one("queue_oldest_seconds", "gauge", "Age of the oldest that waits.", oldest_seconds)
    yield _one("sent_requests_total", "counter", "Requests that were taken.", figures.requests)
    yield _one("sent_points_total", "counter", "Points that were taken.", figures.sent)
    failures = figures.send_failures
    yield _by("send_failures_total", "counter", "Requests that failed.", "code", failures)
    yield _one("rejected_points_total", "counter", "Points not taken of those.", figures.rejected)
    yield _one("refused_points_total", "counter", "Points refused for good.", figures.refused)
    gone = figures.dropped
    yield _one("dropped_scrapes_total", "counter", "Scrapes dropped for room.", gone.scrapes)
    yield _one("dropped_points_total", "counter", "Points dropped for room.", gone.points)


def _one(name: str, kind: Kind, about: str, value: float | None) -> Family:
    figures = () if value is None else (Figure(value),)
    return Family(PREFIX + name, kind, about, figures)


def _by(name: str, kind: Kind, about: str, label: str, values: Mapping[str, float]) -> Family:
    figures = tuple(Figure(value, {label: key}) for key, value in sorted(values.items()))
    return Family(PREFIX + name, kind, about, figures)
