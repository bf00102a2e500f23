"""The figures of parts that not every collector has: sealed files, InfluxDB, Redis, alerts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client.core import Metric

from fedsight.collector.current.remote import RedisCurrent
from fedsight.collector.metrics.figures import counter, gauge
from fedsight.collector.store.archive import Archive

if TYPE_CHECKING:
    from fedsight.collector.running import Collector


def upkeep(collector: Collector) -> Iterator[Metric]:
    """What was done to keep the embedded store in shape."""
    if collector.upkeep is None:
        return
    done = collector.upkeep.done
    yield counter("store_sealed_files", "Parquet files sealed.", done.sealed_files)
    yield counter("store_sealed_samples", "Samples sealed.", done.sealed_samples)
    yield counter("store_seal_seconds", "Seconds spent sealing.", done.seal_seconds)
    yield counter("store_merges", "Merges of sealed files.", done.merges)
    yield counter("store_merged_samples", "Samples merged.", done.merged_samples)
    yield counter("store_merge_seconds", "Seconds spent merging.", done.merge_seconds)
    yield counter("store_dropped_files", "Files dropped for their age.", done.dropped_files)
    yield counter("store_dropped_samples", "Samples dropped with them.", done.dropped_samples)
    yield counter("store_upkeep_failures", "Attempts at any of it that failed.", done.failures)
    archive = collector.readers.archive
    if isinstance(archive, Archive):
        yield gauge("store_files_waiting", "Replaced files still read.", archive.leases.waiting)
        yield gauge("store_unreadable_files", "Damaged files.", len(archive.sealed.problems))


def backends(collector: Collector) -> Iterator[Metric]:
    """What was done with InfluxDB and Redis."""
    forwarding, current = collector.backends.forwarding, collector.backends.current
    if forwarding is not None:
        yield counter("influxdb_samples", "Samples written.", forwarding.counts.samples)
        yield counter("influxdb_writes", "Writes that went well.", forwarding.counts.writes)
        yield counter("influxdb_failures", "Writes that failed.", forwarding.counts.failures)
        yield gauge("influxdb_waiting", "Samples that wait to be written.", forwarding.waiting)
    if isinstance(current, RedisCurrent):
        yield counter("redis_commands", "Commands answered.", current.counts.commands)
        yield counter("redis_failures", "Commands that failed.", current.counts.failures)
        yield counter("redis_announced", "Commits announced.", current.counts.announced)
        yield counter("redis_heard", "Announcements heard.", current.counts.heard)


def alerts(collector: Collector) -> Iterator[Metric]:
    """Alerts, and what looks for them."""
    known, hooks = collector.alerting.alerts, collector.alerting.webhooks
    yield counter("alerts_fired", "Alerts that fired.", known.fired)
    yield counter("alerts_resolved", "Alerts that were resolved.", known.resolved)
    yield counter("alert_findings_dropped", "Findings dropped, too many at once.", known.dropped)
    yield counter("webhooks_sent", "Messages that webhooks took.", hooks.sent)
    yield counter("webhooks_failed", "Attempts that failed.", hooks.failed)
    if collector.anomalies is not None:
        looking = collector.anomalies
        yield counter("anomaly_points", "Points looked at.", looking.detecting.points)
        yield counter("anomaly_points_dropped", "Points dropped unseen.", looking.dropped)
        yield gauge("anomaly_waiting", "Points that are still to be looked at.", looking.waiting)
