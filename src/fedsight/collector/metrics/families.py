"""The collector's own figures as metric families of `prometheus_client`. Names: docs/metrics.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client.core import HistogramMetricFamily, Metric

from fedsight import __version__
from fedsight.collector.metrics.figures import PREFIX, Labelled, counter, gauge
from fedsight.collector.metrics.parts import alerts, backends, upkeep
from fedsight.collector.metrics.process import ProcessFigures
from fedsight.collector.metrics.requests import BOUNDS, RequestCounts
from fedsight.collector.monitors.record import MonitorRecord

if TYPE_CHECKING:
    from fedsight.collector.running import Collector


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one page is made of."""

    collector: Collector
    requests: RequestCounts
    process: ProcessFigures


def families(snapshot: Snapshot) -> Iterator[Metric]:
    """Every family, with the samples that there are."""
    collector = snapshot.collector
    yield gauge("build_info", "Always 1; which version runs.", {(__version__,): 1}, "version")
    yield from process(snapshot.process)
    yield from monitors(collector.monitoring.records)
    yield from ingest(collector)
    yield from stream(collector)
    yield from exports(collector)
    yield from upkeep(collector)
    yield from backends(collector)
    yield from alerts(collector)
    yield from requests(snapshot.requests)


def process(figures: ProcessFigures) -> Iterator[Metric]:
    """What the process takes up."""
    yield gauge("resident_memory_bytes", "Memory of the process.", figures.resident_bytes)
    yield counter("cpu_seconds", "Processor time of the process.", figures.cpu_seconds)
    yield gauge("threads", "Threads of the process.", figures.threads)
    yield gauge("start_time_seconds", "When it started, Unix time.", figures.started)
    if figures.open_files is not None:
        yield gauge("open_files", "Open files and sockets.", figures.open_files)


def monitors(records: Mapping[str, MonitorRecord]) -> Iterator[Metric]:
    """Collection cycles, by monitor."""

    def each(field: str) -> Labelled:
        return {(name,): getattr(record, field) for name, record in records.items()}

    yield counter("cycles", "Looks begun.", each("cycles"), "monitor")
    yield counter("cycle_successes", "Looks that went well.", each("successes"), "monitor")
    yield counter("cycle_failures", "Looks that failed.", each("failures"), "monitor")
    yield counter("cycle_seconds", "Seconds spent looking.", each("seconds"), "monitor")
    up: Labelled = {
        (name,): float(record.standing == "healthy") for name, record in records.items()
    }
    yield gauge("monitor_up", "1 where the last look went well.", up, "monitor")


def ingest(collector: Collector) -> Iterator[Metric]:
    """What was taken in, what waits, what was refused; and what the store was made to do."""
    stored, tally = collector.stored, collector.ingest.tally
    yield counter("store_commits", "Commits that brought signals.", stored.commits)
    yield counter("ingested_records", "Records committed.", stored.records)
    yield counter("ingested_samples", "Samples committed.", stored.samples)
    yield counter("ingested_events", "Events committed.", stored.events)
    yield counter("ingested_spans", "Spans committed.", stored.spans)
    yield counter("late_samples", "Samples older than their series' newest.", tally.late)
    yield counter("repeated_samples", "Samples of a time that was known.", tally.repeated)
    yield counter("future_samples", "Samples from the future.", tally.future)
    yield counter("absent_values", "Values that are no number, left out.", tally.absent)
    refused: Labelled = {(code,): float(count) for code, count in tuple(tally.refused.items())}
    yield counter("refused", "Shipments and writes refused, by reason.", refused, "reason")
    yield gauge(
        "ingest_waiting", "Pieces of work that wait to be written.", collector.ingest.waiting
    )
    yield gauge("ingest_waiting_bytes", "Bodies that are being taken in.", collector.waiting_bytes)


def stream(collector: Collector) -> Iterator[Metric]:
    """The live stream."""
    hub = collector.hub
    yield gauge("websocket_connections", "Open live streams.", len(hub.watchers))
    yield gauge("stream_waiting", "Messages queued for watchers.", hub.waiting)
    yield counter("stream_published", "Messages published.", hub.counts.published)
    yield counter("stream_passed_on", "Messages passed on, to each watcher.", hub.counts.passed_on)
    yield counter("stream_dropped", "Watchers dropped for being slow.", hub.counts.dropped)
    yield counter("stream_refused", "Live streams refused.", collector.watch.refused)


def exports(collector: Collector) -> Iterator[Metric]:
    """Exports, and events on their way to Elasticsearch."""
    yield counter("exports_made", "Exports finished.", collector.exports.made)
    yield counter("exports_failed", "Exports that failed.", collector.exports.failed)
    sink = collector.elasticsearch
    if sink is not None:
        yield counter("elasticsearch_events_sent", "Events sent.", sink.sent)
        yield counter("elasticsearch_events_refused", "Events refused there.", sink.refused)


def requests(counts: RequestCounts) -> Iterator[Metric]:
    """Requests by route, and what they took."""
    answered: Labelled = {
        (one.route, one.method, str(one.status)): float(count)
        for one, count in tuple(counts.answered.items())
    }
    yield counter("requests", "Requests answered.", answered, "route", "method", "status")
    yield gauge("requests_running", "Requests being answered.", counts.running)
    found = HistogramMetricFamily(
        f"{PREFIX}request_seconds", "What requests took.", labels=["route"]
    )
    for route, durations in tuple(counts.seconds.items()):
        total, buckets = 0, list[tuple[str, float]]()
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), durations.buckets, strict=True):
            total += count
            buckets.append((bound, total))
        found.add_metric([route], buckets, durations.total)
    yield found
