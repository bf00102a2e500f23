"""The figures that the three rules look at, gathered from samples as they come."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from fedsight.collector.alerts.finding import Finding
from fedsight.collector.anomalies import rules
from fedsight.collector.anomalies.pieces import Piece
from fedsight.collector.monitors.round_trip import NAME as ROUND_TRIP

ACCURACY = "fl_accuracy"
PARTICIPANTS, SELECTED = "fl_round_participants", "fl_round_selected"
#: A latency's unit stands at the end of its name; what one is in ms. The monitors' own is first.
LATENCY_UNITS = {
    ROUND_TRIP: 1000.0,
    "_latency_seconds": 1000.0,
    "_latency_milliseconds": 1.0,
    "_latency_ms": 1.0,
}
#: Series, and runs, that are remembered; beyond, those not seen for longest are forgotten.
MOST = 10_000


def latency_unit(name: str) -> float | None:
    """What one of a latency's unit is in ms; None for what is no latency."""
    for ending, factor in LATENCY_UNITS.items():
        if name.endswith(ending):
            return factor
    return None


def ruled(name: str) -> bool:
    """Whether one of the rules looks at series of that name."""
    return name in (ACCURACY, PARTICIPANTS, SELECTED) or latency_unit(name) is not None


class Ruled:
    """Remembers a run's last accuracies, a latency's last values, a round's two counts."""

    def __init__(self) -> None:
        self._last: dict[str, deque[float]] = {}
        self._until: dict[str, int] = {}
        self._counts: dict[tuple[str, int], dict[str, float]] = {}

    def take(self, piece: Piece) -> Iterator[Finding]:
        """What the rules say of each new point; one that is not later than the last is left out."""
        name, run = piece.series.name, piece.series.labels.get("run")
        unit = latency_unit(name)
        if unit is not None:
            yield from self._latencies(piece, unit)
        elif run is None or not set(piece.series.labels) <= {"run"}:
            return
        elif name == ACCURACY:
            yield from self._accuracies(piece, run)
        elif name in (PARTICIPANTS, SELECTED):
            yield from self._participation(piece, run)

    def _accuracies(self, piece: Piece, run: str) -> Iterator[Finding]:
        last = self._remembered(piece.key, 2 * rules.MEAN_OF)
        for time, value, round_ in self._newer(piece):
            last.append(value)
            found = rules.accuracy_drop(run, list(last), time, _round(round_))
            if found is not None:
                yield found

    def _latencies(self, piece: Piece, unit: float) -> Iterator[Finding]:
        last = self._remembered(piece.key, rules.LATENCIES)
        labels = piece.series.labels
        for time, value, _ in self._newer(piece):
            current = value * unit
            found = rules.latency_spike(piece.series.name, labels, list(last), current, time)
            last.append(current)
            if found is not None:
                yield found

    def _participation(self, piece: Piece, run: str) -> Iterator[Finding]:
        for time, value, round_ in zip(piece.time, piece.value, piece.round, strict=True):
            known = self._counts.setdefault((run, round_), {})
            known[piece.series.name] = value
            if len(known) == 2:
                del self._counts[run, round_]
                counts = known[PARTICIPANTS], known[SELECTED]
                found = rules.disconnect_spike(run, *counts, time, _round(round_))
                if found is not None:
                    yield found
        while len(self._counts) > MOST:
            del self._counts[next(iter(self._counts))]

    def _newer(self, piece: Piece) -> Iterator[tuple[int, float, int]]:
        until = self._until.pop(piece.key, -1)
        for time, value, round_ in zip(piece.time, piece.value, piece.round, strict=True):
            if time > until:
                until = time
                yield time, value, round_
        self._until[piece.key] = until

    def _remembered(self, key: str, most: int) -> deque[float]:
        last = self._last.pop(key, None) or deque(maxlen=most)
        self._last[key] = last
        if len(self._last) > MOST:
            oldest = next(iter(self._last))
            del self._last[oldest]
            self._until.pop(oldest, None)
        return last


def _round(round_: int) -> int | None:
    return None if round_ < 0 else round_
