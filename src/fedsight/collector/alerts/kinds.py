"""The types of alerts that the collector's own rules and detectors give, each as a sentence."""

from __future__ import annotations

from dataclasses import dataclass

from fedsight.collector.alerts.finding import Severity


@dataclass(frozen=True, slots=True)
class AlertKind:
    """How grave it is, and when it fires: `the rule ...` completed."""

    severity: Severity
    fires_when: str


#: Begun and ended by events, and not for that nobody looked at it.
RETRAIN_SUGGESTED = "retrain_suggested"
LASTING = frozenset({RETRAIN_SUGGESTED})

KINDS = {
    "fl_accuracy_drop": AlertKind(
        "critical",
        "the mean of a run's last 5 accuracies is below the mean of the 5 before by 0.1",
    ),
    "client_disconnect_spike": AlertKind(
        "warning", "fewer than 0.7 of the clients that were selected took part in a round"
    ),
    "network_latency_spike": AlertKind(
        "warning", "a latency is 100 ms over the mean of the 10 before it"
    ),
    "series_anomaly": AlertKind(
        "warning",
        "a value or the shape of the last 64 points lies far from all before, in a series",
    ),
    "update_suspected": AlertKind(
        "critical", "a client's updates are unlike those of the others, round after round"
    ),
    RETRAIN_SUGGESTED: AlertKind(
        "warning",
        "the error of forecasts drifts, until it is back or a new model is served",
    ),
}
