"""One look at all windows: score what came, foresee what will, remember and tell both."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import compress
from typing import Literal

from fedsight.door.times import now_ns
from fedsight.errors import SeriesError
from fedsight.forecast.scale import Scale
from fedsight.forecast.service import drift, telling
from fedsight.forecast.service.memory import Memory, Scored
from fedsight.forecast.service.observed import Lacks, known, lacks, silent
from fedsight.forecast.service.options import ForecastOptions
from fedsight.forecast.service.predictor import Known, Loaded
from fedsight.forecast.service.scoring import Array
from fedsight.signals import Batch, Event, Sample, batch
from fedsight.telemetry.windows import WindowError, Windows

#: The model alone, mixed with the flat level that it departs from, or that level alone.
Method = Literal["model", "mixture", "baseline"]
#: Errors that wait for a journal that cannot be written, at the most; the oldest are given up.
MOST_UNTOLD = 100_000


@dataclass(frozen=True)
class Seen:
    """What is known of one node after a look. Without a forecast, `lacks` says why.

    `told` (horizon, metrics, quantiles), in real units, was made at `made` by `version`, in the
    units of `scale`; what it says of a metric that is constant there is not told. `share`
    (horizon, metrics) of it is the model's, the rest the window's level; None: all of it.
    """

    node: str
    known: Known | None = None
    lacks: Lacks | None = None
    told: Array | None = None
    made: int = 0
    version: str = ""
    personal: bool = False
    scale: Scale | None = None
    share: Array | None = None

    @property
    def method(self) -> Method:
        """What foresees it."""
        if self.share is None or self.scale is None:
            return "model"
        share = self.share[:, self.scale.varies]
        if (share == 1).all():
            return "model"
        return "mixture" if share.any() else "baseline"

    def foreseen(self, metrics: tuple[str, ...]) -> tuple[str, ...]:
        """Those of these metrics that a forecast is told of."""
        if self.scale is None:
            return ()
        return tuple(compress(metrics, self.scale.varies.tolist()))


@dataclass(frozen=True)
class Looked:
    """What one look gave: every node, how many seconds it took in all and in the model, and
    whether drift began."""

    nodes: dict[str, Seen]
    seconds: float
    model_seconds: float
    drifts: bool


class Look:
    """Looks at `windows` with what `memory` holds; `append` takes what is told."""

    def __init__(
        self,
        options: ForecastOptions,
        windows: Windows,
        memory: Memory,
        append: Callable[[Batch], object],
    ) -> None:
        self._options = options
        self._windows = windows
        self._memory = memory
        self._append = append
        #: What was scored, or began, and is not journaled yet; sums that are not on disk yet.
        self._untold: list[Sample] = []
        self._events: list[Event] = []
        self._changed: set[tuple[str, int]] = set()

    def look(self, loaded: Loaded, before: dict[str, Seen]) -> Looked:
        """One pass. What is told is journaled before it is remembered, so that a crash between
        tells it again, to the same places, and loses nothing; after a fault the next pass tells it.
        Raises FedsightError."""
        begun, now = time.perf_counter(), now_ns()
        found = {node: self._known(node, loaded) for node in self._windows.nodes()}
        scored = Scored()
        self._untold += self._scored(found.values(), now, scored, loaded)
        del self._untold[:-MOST_UNTOLD]
        self._changed |= scored.changed
        drifted = self._memory.drift.drifting
        began = self._memory.drifts(scored)
        if self._options.retrain != "never":
            self._events += self._of_drift(now, loaded, began, drifted)
        self._memory.replaced = None
        seen, seconds = self._foresee(now, found, before, loaded)
        told = [one for one in seen.values() if one.made == now]
        samples = [*self._untold, *(each for one in told for each in self._samples(one, loaded))]
        if samples or self._events:
            self._append(batch(samples, self._events))
        self._untold, self._events = [], []
        self._memory.keep(now, self._changed)
        self._changed = set()
        return Looked(seen, time.perf_counter() - begun, seconds, began)

    def _known(self, node: str, loaded: Loaded) -> Known | Lacks:
        shape = loaded.shape
        try:
            window = self._windows.window(node).get_dataframe()
        except WindowError as error:
            return Lacks("unreadable", str(error), 0, shape.rows)
        return known(node, window, shape.metrics, self._windows.interval_ns, shape.rows)

    def _scored(
        self, found: Iterable[Known | Lacks], now: int, scored: Scored, loaded: Loaded
    ) -> list[Sample]:
        samples: list[Sample] = []
        with self._memory.lock:
            for one in found:
                if isinstance(one, Lacks):
                    continue
                for horizon, score in self._memory.score(one, now, scored):
                    if horizon in self._options.told:
                        samples += telling.missed(one.node, loaded.shape.metrics, horizon, score)
        return samples

    def _foresee(
        self,
        now: int,
        found: dict[str, Known | Lacks],
        before: dict[str, Seen],
        loaded: Loaded,
    ) -> tuple[dict[str, Seen], float]:
        """What is seen of every node, and how many seconds the model took."""
        seen: dict[str, Seen] = {}
        ready: list[tuple[Known, Scale]] = []
        for node, one in found.items():
            last = before.get(node)
            scale = self._scale(one, now, loaded)
            if isinstance(scale, Lacks):
                seen[node] = Seen(node, None if isinstance(one, Lacks) else one, scale)
            elif last is not None and _is_newest(last, one, loaded):
                seen[node] = last
            else:
                assert isinstance(one, Known)
                ready.append((one, scale))
        if not ready:
            return seen, 0.0
        begun = time.perf_counter()
        ahead = loaded.foretell([one for one, _ in ready], [scale for _, scale in ready])
        seconds = time.perf_counter() - begun
        for (one, scale), foretold in zip(ready, ahead, strict=True):
            share = self._memory.share(one, loaded, scale)
            told = self._memory.told(one, foretold, loaded.version, scale, share)
            seen[one.node] = Seen(
                one.node, one, None, told, now, loaded.version, foretold.personal, scale, share
            )
        return dict(sorted(seen.items())), seconds

    def _scale(self, one: Known | Lacks, now: int, loaded: Loaded) -> Scale | Lacks:
        """The unit to foresee in; what is lacking where nothing can be foreseen."""
        if isinstance(one, Lacks):
            return one
        wanted = loaded.shape.rows
        lacking = silent(one, now, loaded.shape.horizon, wanted) or lacks(one, wanted)
        if lacking is not None:
            return lacking
        try:
            return self._memory.scale(one, loaded)
        except SeriesError as error:
            return Lacks("constant", f"{one.node}: {error}", len(one.values), wanted)

    def _samples(self, one: Seen, loaded: Loaded) -> Iterable[Sample]:
        assert one.known is not None
        assert one.told is not None
        assert one.scale is not None
        last, step = int(one.known.times[-1]), one.known.step
        steps = [each for each in self._options.told if each <= loaded.shape.horizon]
        told = [(each, last + each * step, one.told[each - 1]) for each in steps]
        there = one.scale.varies.tolist()
        shape = loaded.shape
        return telling.foretold(one.node, shape.metrics, there, shape.quantiles, told)

    def _of_drift(self, now: int, loaded: Loaded, began: bool, before: bool) -> Iterator[Event]:
        """What is told of drift: that it is over, that it begins."""
        memory, version = self._memory, loaded.version
        figures = drift.figures(memory.drift, self._options.drift)
        if memory.replaced is not None:
            yield telling.calm(now, memory.replaced, version, None)
        if before and not memory.drift.drifting:
            yield telling.calm(now, version, version, figures)
        if began:
            yield telling.suggested(now, version, figures)


def _is_newest(before: Seen, one: Known | Lacks, loaded: Loaded) -> bool:
    """Whether no row came since, so that the last forecast still is the newest."""
    return (
        before.known is not None
        and isinstance(one, Known)
        and before.told is not None
        and before.known.times[-1] == one.times[-1]
        and before.version == loaded.version
    )
