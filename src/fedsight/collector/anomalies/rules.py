"""Three rules that need no learning: pure functions of a few figures.

Each gives a `Finding`, active or not, or None where too little is known to say either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fedsight.collector.alerts.finding import Finding
from fedsight.collector.alerts.kinds import KINDS
from fedsight.signals import series_key

ACCURACY_DROP, DISCONNECT, LATENCY = (
    "fl_accuracy_drop",
    "client_disconnect_spike",
    "network_latency_spike",
)
#: Accuracies in each of the two means, and how far one must fall below the other.
MEAN_OF, DROP = 5, 0.1
#: The share of the clients that were asked which must take part.
PARTICIPATION = 0.7
#: Latencies in the baseline, and how far one may lie above their mean, ms.
LATENCIES, SPIKE_MS = 10, 100.0
#: Two means that differ by rounding errors alone are equal.
ROUNDING = 1e-9


def accuracy_drop(
    run: str, accuracies: Sequence[float], time: int, round: int | None
) -> Finding | None:
    """`fl_accuracy_drop`: the mean of the last 5 lies below that of the 5 before by 0.1."""
    if len(accuracies) < 2 * MEAN_OF:
        return None
    before = sum(accuracies[-2 * MEAN_OF : -MEAN_OF]) / MEAN_OF
    now = sum(accuracies[-MEAN_OF:]) / MEAN_OF
    return Finding(
        type=ACCURACY_DROP,
        severity=KINDS[ACCURACY_DROP].severity,
        message=f"accuracy of run {run} fell from {before:.3f} to {now:.3f},"
        f" means of {MEAN_OF} rounds each",
        key=f"{ACCURACY_DROP}/{run}",
        time=time,
        active=before - now >= DROP - ROUNDING,
        current_value=now,
        threshold=before - DROP,
        baseline=before,
        run=run,
        round=round,
        labels={"run": run},
        evidence={"last": list(accuracies[-2 * MEAN_OF :])},
    )


def disconnect_spike(
    run: str, participants: float, selected: float, time: int, round: int | None
) -> Finding | None:
    """`client_disconnect_spike`: fewer than 0.7 of those asked took part in a round."""
    if selected <= 0:
        return None
    share = participants / selected
    return Finding(
        type=DISCONNECT,
        severity=KINDS[DISCONNECT].severity,
        message=f"{participants:g} of {selected:g} clients took part in a round of run {run}",
        key=f"{DISCONNECT}/{run}",
        time=time,
        active=share < PARTICIPATION,
        current_value=share,
        threshold=PARTICIPATION,
        run=run,
        round=round,
        labels={"run": run},
        evidence={"participants": participants, "selected": selected},
    )


def latency_spike(
    name: str, labels: Mapping[str, str], before: Sequence[float], current: float, time: int
) -> Finding | None:
    """`network_latency_spike`: 100 ms above the mean of the 10 before it; all in ms."""
    if len(before) < LATENCIES:
        return None
    baseline = sum(before[-LATENCIES:]) / LATENCIES
    series = series_key(name, labels)
    return Finding(
        type=LATENCY,
        severity=KINDS[LATENCY].severity,
        message=f"{series}: {current:.1f} ms, the mean of the {LATENCIES} before is"
        f" {baseline:.1f} ms",
        key=f"{LATENCY}/{series}",
        time=time,
        active=current - baseline > SPIKE_MS + ROUNDING,
        current_value=current,
        threshold=baseline + SPIKE_MS,
        baseline=baseline,
        run=labels.get("run"),
        node=labels.get("node"),
        labels=dict(labels),
    )
