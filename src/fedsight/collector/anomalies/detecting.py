"""Detectors of many series, bounded: what each says becomes findings."""

from __future__ import annotations

from collections.abc import Iterator

from fedsight.collector.alerts.finding import Finding
from fedsight.collector.alerts.kinds import KINDS
from fedsight.collector.anomalies.detector import Detector, Look, Tuning
from fedsight.collector.anomalies.novelty import SPAN
from fedsight.collector.anomalies.pieces import Piece
from fedsight.signals import Series

TYPE = "series_anomaly"
SECOND = 10**9
#: A series without a point for so long makes room for another.
IDLE_SECONDS = 3600.0


class Detecting:
    """One `Detector` for each series, of at most `most` at a time."""

    def __init__(self, tuning: Tuning, most: int) -> None:
        self._tuning = tuning
        self._most = most
        self._detectors: dict[str, Detector] = {}
        self._newest: dict[str, int] = {}
        self._run_of: dict[str, str] = {}
        self._active: set[str] = set()
        #: Points of series for which there was no room.
        self.refused = 0
        #: Points looked at, and those that were late or no number.
        self.points = self.ignored = 0

    def __len__(self) -> int:
        return len(self._detectors)

    def has(self, key: str) -> bool:
        """Whether a series is watched."""
        return key in self._detectors

    def learn(self, piece: Piece) -> None:
        """Begin to watch a series with what came before; says nothing."""
        detector = self._detector(piece)
        if detector is None:
            return
        for time, value in zip(piece.time, piece.value, strict=True):
            detector.look(time, value)

    def take(self, piece: Piece) -> list[Finding]:
        """What new points of a series mean: beginnings, ends, and that an alarm still holds."""
        detector = self._detector(piece)
        if detector is None:
            self.refused += len(piece)
            return []
        return list(self._looked(detector, piece))

    def _detector(self, piece: Piece) -> Detector | None:
        """The detector of a series, a new one where there is room for it."""
        found = self._detectors.get(piece.key)
        if found is None:
            if not self._admitted(piece):
                return None
            found = self._detectors[piece.key] = Detector(self._tuning)
            # Whoever watched it before may have told an alarm: the first quiet look ends it.
            self._active.add(piece.key)
            run = piece.series.labels.get("run")
            if run is not None:
                self._run_of[piece.key] = run
        self._newest[piece.key] = max(self._newest.get(piece.key, 0), piece.time[-1])
        return found

    def forget_run(self, run: str) -> list[str]:
        """A run is over: its series make room. Returns their keys."""
        ended = [key for key, of in self._run_of.items() if of == run]
        for key in ended:
            self._forget(key)
        return ended

    def _forget(self, key: str) -> None:
        self._detectors.pop(key, None)
        self._newest.pop(key, None)
        self._run_of.pop(key, None)
        self._active.discard(key)

    def _admitted(self, piece: Piece) -> bool:
        if len(self._detectors) < self._most:
            return True
        oldest = min(self._newest, key=lambda key: self._newest[key], default=None)
        if oldest is None or piece.time[-1] - self._newest[oldest] < IDLE_SECONDS * SECOND:
            return False
        self._forget(oldest)
        return True

    def _looked(self, detector: Detector, piece: Piece) -> Iterator[Finding]:
        last: tuple[Look, float, int, int] | None = None
        for time, value, round_ in zip(piece.time, piece.value, piece.round, strict=True):
            look = detector.look(time, value)
            if look is None:
                self.ignored += 1
                continue
            self.points += 1
            last = (look, value, time, round_)
            if look.alarm or (not look.active and piece.key in self._active):
                yield self._finding(piece, detector, *last)
        if last is not None and last[0].active and not last[0].alarm:
            yield self._finding(piece, detector, *last)

    def _finding(
        self, piece: Piece, detector: Detector, look: Look, value: float, time: int, round_: int
    ) -> Finding:
        if look.active:
            self._active.add(piece.key)
        else:
            self._active.discard(piece.key)
        labels = piece.series.labels
        return Finding(
            type=TYPE,
            severity=KINDS[TYPE].severity,
            message=_sentence(piece.series, look, value),
            key=f"{TYPE}/{piece.key}",
            time=time,
            active=look.active,
            current_value=value,
            expected_range=look.expected,
            run=labels.get("run"),
            round=None if round_ < 0 else round_,
            node=labels.get("node"),
            labels={"metric": piece.series.name, **labels},
            evidence={
                "surprise": round(look.surprise, 3),
                "threshold": round(look.threshold, 3),
                "value_surprise": round(look.value_surprise, 3),
                "shape_surprise": round(look.shape_surprise, 3),
                "points": detector.points,
            },
        )


def _sentence(series: Series, look: Look, value: float) -> str:
    if look.value_surprise < min(look.threshold, look.shape_surprise):
        what = f"its last {SPAN} points have a shape that was not seen before; it is {value:.4g}"
    else:
        what = f"{value:.4g} lies far from every value before"
    if look.expected is None:
        return f"{series.name}: {what}"
    low, high = look.expected
    return f"{series.name}: {what}; 98 of 100 lay from {low:.4g} to {high:.4g}"
