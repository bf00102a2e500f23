"""When the error drifts: a ratio with hysteresis. Pure.

`x` is the mean pinball loss, in each node's standard deviations, of the forecasts scored in one
pass. The reference is the mean over the first scores of a model version on these nodes: what it can
do here, whatever the units of its training. Error drifts where the mean over the most recent scores
reaches `ratio` times the reference, and is calm again only below `calm` times it, so that an error
that wavers about the threshold suggests once. Detection by comparing a recent window of the loss
with a reference one: Gama et al. 2014, "A survey on concept drift adaptation", section 3.2.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from fedsight.forecast.service.options import DriftRule


class Drift(Struct, frozen=True):
    """What is remembered of one model version's losses; `recent` holds (sum, count), oldest first.

    `drifting` from the moment that the ratio is reached until it is calm again.
    """

    version: str
    reference_sum: float = 0.0
    reference_count: int = 0
    recent: tuple[tuple[float, int], ...] = ()
    drifting: bool = False


class DriftFigures(Struct, frozen=True):
    """The rule's figures: mean losses in standard deviations; None until enough is scored."""

    reference: float | None
    recent: float | None
    ratio: float | None
    threshold: float
    drifting: bool
    scored: int
    wanted: int


def drifted(before: Drift, loss: float, count: int, rule: DriftRule) -> tuple[Drift, bool]:
    """After `count` more scores of summed `loss`: what to remember, and whether drift began."""
    if not count:
        return before, False
    if before.reference_count < rule.reference:
        learned = replace(
            before,
            reference_sum=before.reference_sum + loss,
            reference_count=before.reference_count + count,
        )
        return learned, False
    now = replace(before, recent=_kept((*before.recent, (loss, count)), rule.recent))
    ratio = figures(now, rule).ratio
    if ratio is None:
        return now, False
    drifting = ratio >= (rule.calm if now.drifting else rule.ratio)
    return replace(now, drifting=drifting), drifting and not before.drifting


def figures(drift: Drift, rule: DriftRule) -> DriftFigures:
    """The figures as they stand."""
    count = sum(each for _, each in drift.recent)
    known = drift.reference_count >= rule.reference
    reference = drift.reference_sum / drift.reference_count if known else None
    full = count >= rule.recent
    recent = sum(loss for loss, _ in drift.recent) / count if full else None
    ratio = recent / reference if recent is not None and reference else None
    told = (drift.reference_count, rule.reference) if not known else (count, rule.recent)
    return DriftFigures(reference, recent, ratio, rule.ratio, drift.drifting, *told)


def _kept(passes: tuple[tuple[float, int], ...], least: int) -> tuple[tuple[float, int], ...]:
    """The newest passes that have `least` scores together."""
    total = sum(count for _, count in passes)
    at = 0
    while total - passes[at][1] >= least:
        total -= passes[at][1]
        at += 1
    return passes[at:]
