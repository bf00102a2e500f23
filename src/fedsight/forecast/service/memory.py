"""What a forecaster remembers of nodes: what waits for its rows, sums of errors, corrections."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial

import msgspec
import numpy as np

from fedsight.forecast.scale import Scale
from fedsight.forecast.service import drift, scoring
from fedsight.forecast.service.correcting import Corrections
from fedsight.forecast.service.drift import Drift
from fedsight.forecast.service.levelling import Levelling
from fedsight.forecast.service.mixing import Mixing
from fedsight.forecast.service.options import ForecastOptions
from fedsight.forecast.service.past import Past, past
from fedsight.forecast.service.predictor import Foretold, Known, Loaded
from fedsight.forecast.service.scoring import SUMS, Array, Foreseen, Score
from fedsight.forecast.service.state import NodeState, StateFile
from fedsight.forecast.service.units import unit_of

#: Errors are summed in stretches of so long.
BUCKET_NS = 600 * 10**9
#: Forecasts of one node that wait for their rows, at the most; the oldest are given up.
MOST_WAITING = 500
#: What one score counts for drift at the most, in sd: the first change of what had long been
#: constant is no end of sd away, and tells nothing of the model.
MOST_LOSS = 5.0


@dataclass
class Scored:
    """What one pass scored: `loss` is summed over `count` scores of the version at work; `changed`
    sums by node, start."""

    loss: float = 0.0
    count: int = 0
    changed: set[tuple[str, int]] = field(default_factory=set)


class Memory:
    """What is remembered, for one model version after another; on disk after each `keep`.

    One thread changes it, holding `lock` where another may read sums.
    """

    def __init__(self, options: ForecastOptions, state: StateFile, step: int) -> None:
        self.lock = threading.Lock()
        self.nodes: dict[str, NodeState] = {}
        self.drift = Drift("")
        #: A version that drifted when another took its place, until that is told.
        self.replaced: str | None = None
        self.horizons: tuple[int, ...] = ()
        self._options = options
        self._state = state
        self._step = step
        self._signature: bytes | None = None

    def use(self, loaded: Loaded) -> None:
        """Go on with this version. All is forgotten where it foresees something else."""
        shape = loaded.shape
        horizons = scoring.grid(shape.horizon, self._options.told)
        signature = msgspec.json.encode((shape.metrics, horizons, shape.quantiles, self._step))
        if self._signature is None and self._state.fact("signature") == signature:
            self.nodes, self.drift = self._state.read(), self._kept_drift()
        elif self._signature != signature:
            self._state.forget()
            self.nodes = {}
        self._signature = signature
        self.horizons = horizons
        self._steps = np.array(self.horizons, np.int64)
        self._levels = np.array(shape.quantiles)
        self._middle = shape.quantiles.index(0.5)
        # Power, load and memory are never below 0; of other metrics that is not known.
        self._least = np.array([-np.inf if unit_of(one) is None else 0.0 for one in shape.metrics])
        self._corrections = Corrections(shape, self.horizons)
        self._mixing, self._levelling = Mixing(shape), Levelling(shape)
        if self.drift.version != loaded.version:
            if self.drift.drifting:
                self.replaced = self.drift.version
            self.drift = Drift(loaded.version)

    def _kept_drift(self) -> Drift:
        kept = self._state.fact("drift")
        return Drift("") if kept is None else msgspec.json.decode(kept, type=Drift)

    def score(self, one: Known, now: int, found: Scored) -> Iterator[tuple[int, Score]]:
        """Score what waits for these rows, each with its horizon; give up what is too old."""
        state = self.nodes.setdefault(one.node, NodeState())
        oldest = now - int(self._options.grace * 1e9)
        waiting = []
        for each in state.waiting[-MOST_WAITING:]:
            scores = list(scoring.scored(each, self._steps, self._middle, one.times, one.values))
            for score in scores:
                self._count(one.node, state, score, found)
                if each.version == self.drift.version:
                    self._judge(score, found)
                yield self.horizons[score.at], score
            left = scoring.after(each, self._steps, scores, oldest)
            if left is not None:
                waiting.append(left)
        state.waiting = waiting

    def _count(self, node: str, state: NodeState, score: Score, found: Scored) -> None:
        start = score.time // BUCKET_NS * BUCKET_NS
        if start not in state.sums:
            state.sums[start] = np.zeros((len(self.horizons), len(score.actual), SUMS))
        scoring.add(state.sums[start], score, scoring.losses(score, self._levels))
        found.changed.add((node, start))
        state.correction = self._corrections.learned(state.correction, score)

    def _judge(self, score: Score, found: Scored) -> None:
        """Count the loss of a forecast of the version at work: those of the one before, which are
        scored for a while yet, tell nothing of this one."""
        lost = np.minimum(scoring.losses(score, self._levels), MOST_LOSS)
        found.loss += float(lost.sum())
        found.count += int(score.there.sum())

    def scale(self, one: Known, loaded: Loaded) -> Scale:
        """The unit to foresee the node in, and the level: its own, else those of its window. Raises
        SeriesError where all of its metrics are constant."""
        own = loaded.own_scale(one.node)
        if own is not None:
            return own
        scale = Scale.allowing(one.values, loaded.shape.metrics)
        return self._levelling.levelled(one, scale)

    def share(self, one: Known, loaded: Loaded, scale: Scale) -> Array | None:
        """How much of the model the node's forecast takes, (horizon, metrics); None: all of it.

        Of a node or metric that nothing is known of yet, intervals begin with what the window
        tells, too.
        """
        found = cache(partial(past, one, loaded, scale))
        share = self._mixing.share(one, loaded, scale, found)
        self._begin(one, scale, share, found)
        return share

    def _begin(
        self, one: Known, scale: Scale, share: Array | None, found: Callable[[], Past | None]
    ) -> None:
        """A metric may have been constant before, and begin now."""
        state = self.nodes.setdefault(one.node, NodeState())
        before = state.correction
        new = scale.varies if before is None else scale.varies & ~before.any(axis=0)
        if not new.any():
            return
        seen = found()
        if seen is None:
            return
        begun = self._corrections.begun(self._mixing.mixed_past(seen, share), scale)
        state.correction = begun if before is None else np.where(new, begun, before)

    def told(
        self, one: Known, foretold: Foretold, version: str, scale: Scale, share: Array | None
    ) -> Array:
        """That version's forecast, mixed, with its intervals corrected; it now waits for its
        rows."""
        state = self.nodes.setdefault(one.node, NodeState())
        said = self._mixing.mixed(one, foretold.values, scale, share)
        corrected = self._corrections.told(state.correction, said)
        values: Array = np.maximum(corrected, self._least[:, None])
        at = self._steps - 1
        last, median = scoring.baselines(one.values)
        if state.waiting and state.waiting[-1].origin == one.times[-1]:
            state.waiting.pop()  # made before a restart, or by the version before
        state.waiting.append(
            Foreseen(
                int(one.times[-1]),
                one.step,
                said[at],
                values[at],
                last,
                median,
                foretold.sd,
                np.ones(len(at), bool),
                version,
            )
        )
        return values

    def drifts(self, found: Scored) -> bool:
        """Remember what a pass scored; returns whether drift began."""
        rule = self._options.drift
        self.drift, began = drift.drifted(self.drift, found.loss, found.count, rule)
        return began

    def keep(self, now: int, changed: set[tuple[str, int]]) -> None:
        """Put all on disk, and let go of sums that are older than the period."""
        oldest = now - int(self._options.period * 1e9) - BUCKET_NS
        with self.lock:
            for node in self.nodes.values():
                node.sums = {at: sums for at, sums in node.sums.items() if at >= oldest}
        changed = {
            (node, at) for node, at in changed if node in self.nodes and at in self.nodes[node].sums
        }
        facts = {"signature": self._signature or b"", "drift": msgspec.json.encode(self.drift)}
        self._state.write(self.nodes, changed, facts, oldest)

    def sums(self, now: int, node: str | None = None) -> dict[str, Array]:
        """Sums (scored horizons, metrics, SUMS) over the period until `now`, of one node or of all;
        a node without scores is not among them."""
        oldest = now - int(self._options.period * 1e9)
        with self.lock:
            return {
                name: np.sum([sums for at, sums in one.sums.items() if at >= oldest], axis=0)
                for name, one in self.nodes.items()
                if node in (None, name) and any(at >= oldest for at in one.sums)
            }
