"""What the rounds of a run amount to: pure functions; None where a figure is not defined."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from itertools import pairwise

from fedsight.federated.api.history import RoundFacts

TREND_SCALE = 10.0
STABILITY_ROUNDS = 5
CONVERGENCE_ROUNDS = 3


def known(values: Sequence[float | None]) -> list[float]:
    """The values that were measured."""
    return [value for value in values if value is not None]


def trend(values: Sequence[float | None]) -> float | None:
    """Mean difference between one round and the next, times 10, clipped to [-1, 1]."""
    steps = [after - before for before, after in pairwise(known(values))]
    if not steps:
        return None
    return max(-1.0, min(1.0, statistics.fmean(steps) * TREND_SCALE))


def convergence_rate(accuracies: Sequence[float | None]) -> float | None:
    """(last - third last) / (1 - third last): the share of what was left that was gained.

    None for fewer than three accuracies, and where nothing was left.
    """
    found = known(accuracies)[-CONVERGENCE_ROUNDS:]
    if len(found) < CONVERGENCE_ROUNDS or found[0] >= 1.0:
        return None
    return (found[-1] - found[0]) / (1.0 - found[0])


def stability(accuracies: Sequence[float | None]) -> float | None:
    """1 less the (population's) standard deviation of the last five accuracies.

    None for fewer than five.
    """
    found = known(accuracies)[-STABILITY_ROUNDS:]
    return None if len(found) < STABILITY_ROUNDS else 1.0 - statistics.pstdev(found)


def communication_efficiency(rounds: Sequence[RoundFacts]) -> float | None:
    """Accuracy gained a megabyte sent, from the first round whose accuracy is known to the last.

    What that first round itself sent brought its own accuracy and is not counted.
    """
    measured = [at for at, one in enumerate(rounds) if one.accuracy is not None]
    if len(measured) < 2:
        return None
    first, last = measured[0], measured[-1]
    sent = known([one.payload_bytes for one in rounds[first + 1 : last + 1]])
    start, end = rounds[first].accuracy, rounds[last].accuracy
    if start is None or end is None or sum(sent) == 0:
        return None
    return (end - start) / (sum(sent) / 1e6)


def average_seconds(rounds: Sequence[RoundFacts]) -> float | None:
    """Mean seconds of a round."""
    seconds = known([one.seconds for one in rounds])
    return statistics.fmean(seconds) if seconds else None


def remaining_seconds(rounds: Sequence[RoundFacts], left: int) -> float | None:
    """What `left` rounds will take if each takes the median of those measured."""
    seconds = known([one.seconds for one in rounds])
    return statistics.median(seconds) * left if seconds else None
