"""A node's use to the next round: how much its data could still teach, and how long it takes.

Lai, Zhu, Madhyastha and Chowdhury 2021, "Oort: Efficient federated learning via guided participant
selection" (OSDI), section 4 and its algorithm 1. It differs in what docs/selection.md lists.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

from fedsight.federated.fleet import NodeView
from fedsight.federated.selection.history import History, Known

#: The exponent of the penalty for a slow node.
ALPHA = 2.0
#: The share of explored places in round 1, and what is left of it after each round.
EXPLORED_AT_FIRST = 0.9
EXPLORED_DECAY = 0.98
#: Of the statistical utilities, the quantile above which none counts for more.
CLIP = 0.95
#: A node is within reach of a place with so much of the utility of the last one that has a place.
CUT_OFF = 0.95


def explored_share(least: float, round_: int) -> float:
    """The share of places for nodes that are not known yet: it decays to `least`."""
    return max(least, EXPLORED_AT_FIRST * math.pow(EXPLORED_DECAY, round_ - 1))


def statistical(samples: int, loss: float) -> float:
    """How much the node's data could still teach: |B| sqrt(mean of squared losses), with the mean
    loss in the place of the root, as nodes tell no more."""
    return samples * max(0.0, loss)


def staleness(last: int, round_: int) -> float:
    """What is added for a node whose figures are from round `last`: sqrt(0.1 ln r / last)."""
    return math.sqrt(0.1 * math.log(round_) / max(1, last))


def slowness(seconds: float | None, preferred: float | None) -> float:
    """The factor for a node that takes longer than preferred: (T / t) ** alpha; 1 for others."""
    if seconds is None or preferred is None or seconds <= preferred:
        return 1.0
    return math.pow(preferred / seconds, ALPHA)


def scores(nodes: Sequence[NodeView], history: History, round_: int) -> dict[int, float]:
    """The utility of each node that has trained and did not fail in its last turn, by id.

    Statistical utilities are brought to 0..1 first, as they are beside the authors' own staleness
    term: samples times loss would drown it. T is the median of these nodes' seconds.
    """
    known = {
        node.node_id: one
        for node in nodes
        if (one := history.get(node.name)) is not None
        and not one.failing
        and one.loss is not None
        and one.samples is not None
    }
    shares = scaled([_taught(one) for one in known.values()])
    times = [one.seconds for one in known.values() if one.seconds is not None]
    preferred = median(times) if times else None
    return {
        node_id: (share + staleness(one.last, round_)) * slowness(one.seconds, preferred)
        for (node_id, one), share in zip(known.items(), shares, strict=True)
    }


def _taught(one: Known) -> float:
    return statistical(one.samples or 0, one.loss or 0.0)


def scaled(values: Sequence[float]) -> list[float]:
    """The values between the least, 0, and the `CLIP` quantile, 1; all 1 where they are equal."""
    if not values:
        return []
    ranked = sorted(values)
    low, high = ranked[0], ranked[min(int(CLIP * len(ranked)), len(ranked) - 1)]
    if high <= low:
        return [1.0] * len(values)
    return [(min(value, high) - low) / (high - low) for value in values]


def within_reach(utilities: Sequence[float], count: int) -> list[int]:
    """The places of those that may be drawn for `count` places: those near enough to the best."""
    if count == 0:
        return []
    cut = CUT_OFF * sorted(utilities, reverse=True)[count - 1]
    return [at for at, utility in enumerate(utilities) if utility >= cut]
