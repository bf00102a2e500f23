"""What a bridge says of itself: its health, and its figures for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec
import psutil

from fedsight import __version__
from fedsight.door.exposition import Family, Figure, text
from fedsight.door.times import now_ns, rfc3339
from fedsight.telemetry.bridge.counts import SIGNALS
from fedsight.telemetry.bridge.parts import Parts

NAME = "fedsight-bridge"
#: Pairs of agents that `/health` names.
SHOWN = 5


class Part(msgspec.Struct, frozen=True):
    """How one part is; `error` is what was wrong last."""

    status: Literal["healthy", "degraded"]
    error: str | None = None


class Health(msgspec.Struct, frozen=True):
    """Whether every part works."""

    status: Literal["healthy", "degraded"]
    service: str
    timestamp: str
    version: str
    forward: str
    components: dict[str, Part]


def health(parts: Parts) -> bytes:
    """The answer of `/health`."""
    found = {"writing": _part(parts.bridge.committer.last_error)}
    pairs = parts.bridge.senders.pairs(now_ns())
    found["senders"] = _part("; ".join(map(str, pairs[:SHOWN])) or None)
    if parts.shipper is not None:
        found["sending"] = _part(parts.shipper.health.last_error)
    healthy = all(part.status == "healthy" for part in found.values())
    return msgspec.json.encode(
        Health(
            "healthy" if healthy else "degraded",
            NAME,
            rfc3339(now_ns()),
            __version__,
            parts.options.forward,
            found,
        )
    )


def _part(error: str | None) -> Part:
    return Part("healthy") if error is None else Part("degraded", error)


def page(parts: Parts) -> str:
    """The answer of `/metrics`."""
    return text([*_of_requests(parts), *_of_signals(parts), *_of_keeping(parts)])


def _of_requests(parts: Parts) -> Iterator[Family]:
    counts = parts.bridge.counts
    process = psutil.Process()
    yield _gauge(
        "fedsight_bridge_resident_memory_bytes", "Memory.", float(process.memory_info().rss)
    )
    yield Family(
        "fedsight_bridge_requests_total",
        "counter",
        "Requests by signal, protocol and outcome.",
        tuple(
            Figure(count, {"signal": signal, "protocol": protocol, "outcome": outcome})
            for (signal, protocol, outcome), count in sorted(counts.requests.items())
        ),
    )
    yield _by_signal("fedsight_bridge_received_bytes_total", "Bytes received.", counts.bytes)
    yield _gauge("fedsight_bridge_waiting_bytes", "Of requests not on disk.", parts.bridge.waiting)


def _of_signals(parts: Parts) -> Iterator[Family]:
    counts = parts.bridge.counts
    yield _by_signal(
        "fedsight_bridge_taken_total", "Data points, log records and spans taken.", counts.taken
    )
    yield _by_signal(
        "fedsight_bridge_rejected_total", "What could not be carried.", counts.rejected
    )
    yield _by_signal(
        "fedsight_bridge_left_out_total", "What the settings leave out.", counts.left_out
    )
    for name, about, value in (
        ("absent_points", "Points without a number.", counts.absent),
        ("unmatched_points", "Points that no window's rule wants.", counts.unmatched),
        ("unit_changes", "Metrics whose unit changed.", counts.unit_changes),
        ("ahead_points", "Points whose clock is ahead of ours.", counts.ahead),
        ("behind_points", "Points from long ago.", counts.behind),
        ("agent_turns", "Turns of two agents of one node.", parts.bridge.senders.turns),
    ):
        yield _counter(f"fedsight_bridge_{name}_total", about, value)


def _of_keeping(parts: Parts) -> Iterator[Family]:
    committer = parts.bridge.committer
    yield _counter("fedsight_bridge_commits_total", "Commits.", committer.commits)
    yield _counter(
        "fedsight_bridge_repeated_requests_total", "Requests kept before.", committer.repeated
    )
    of_windows = parts.into_windows.counted
    yield Family(
        "fedsight_bridge_window_rows_total",
        "counter",
        "Rows and values of windows by outcome.",
        tuple(Figure(count, {"outcome": what}) for what, count in sorted(of_windows.items())),
    )
    if parts.shipper is not None:
        yield _gauge(
            "fedsight_bridge_journal_waiting_records",
            "Records that the collector has not got.",
            parts.shipper.health.waiting,
        )


def _by_signal(name: str, about: str, counts: Mapping[str, int]) -> Family:
    figures = tuple(Figure(counts.get(signal, 0), {"signal": signal}) for signal in SIGNALS)
    return Family(name, "counter", about, figures)


def _gauge(name: str, about: str, value: float) -> Family:
    return Family(name, "gauge", about, (Figure(value),))


def _counter(name: str, about: str, value: float) -> Family:
    return Family(name, "counter", about, (Figure(value),))
