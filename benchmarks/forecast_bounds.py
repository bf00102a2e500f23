"""What the forecasts of one set of nodes promise, from its figures: the same on every set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.forecast_rows import (
    CENTRALISED,
    FEDERATED,
    LOCAL,
    MEDIAN,
    MIXTURE,
    PERSISTENCE,
    SERVED,
    TUNED,
    ZERO_SHOT,
)
from benchmarks.report import Target, at_least, at_most, holds

#: Where figures have how much less than the moving median's a row's error is.
LESS_MEDIAN = {
    MIXTURE: "mixture_less_median",
    TUNED: "fine_tuned_less_median",
    SERVED: "served_less_median",
}
#: Places among the figures of a method: at 10 and 100 steps, and the mean over all.
AT_10, AT_100, ALL = 1, 2, -1


def bounds(figures: Mapping[str, Any], named: str = "") -> Iterator[Target]:
    """The bounds of a set's figures, as measured or as a report keeps them; `named` comes before
    each one's words."""
    methods = figures["methods"]
    mase = {name: each["mase"] for name, each in methods.items()}

    def ratio(one: str, other: str, at: int = ALL) -> float:
        return float(mase[one][at] / mase[other][at])

    held, least, most = methods[TUNED]["coverage_corrected"]
    coverage = f"{named}mean coverage of 80 % intervals, corrected"
    at_10, at_100 = (ratio(FEDERATED, PERSISTENCE, at) for at in (AT_10, AT_100))
    yield at_most(f"{named}federated to centralised", ratio(FEDERATED, CENTRALISED), 1.05)
    yield at_most(f"{named}federated to persistence at 10 steps", at_10, 1.0)
    yield at_most(f"{named}federated to persistence at 100", at_100, 1.0)
    yield at_most(f"{named}fine-tuned to local", ratio(TUNED, LOCAL), 1.02)
    yield at_least(coverage, held, 0.75)
    yield at_most(coverage, held, 0.85)
    yield at_least(f"{named}coverage on the node with the least", least, 0.68)
    yield at_most(f"{named}coverage on the node with the most", most, 0.90)
    yield at_most(f"{named}zero-shot to persistence", ratio(ZERO_SHOT, PERSISTENCE), 0.85)
    # A report of before there was such a row says nothing of it.
    for name, called in ((MIXTURE, "mixture"), (SERVED, "as served")):
        if name in methods:
            yield from _better(figures, name, f"{named}{called}")


def _better(figures: Mapping[str, Any], name: str, called: str) -> Iterator[Target]:
    """That a row is better than both baselines, and than the moving median by more than noise."""
    methods = figures["methods"]
    own, median, last = (methods[each]["mase"] for each in (name, MEDIAN, PERSISTENCE))
    noise = methods[name]["sd_over_seeds"] or 0.0
    yield at_most(f"{called} to the moving median", own[ALL] / median[ALL], 1.0)
    yield at_most(f"{called} to persistence at 10 steps", own[AT_10] / last[AT_10], 1.0)
    yield at_most(f"{called} to persistence at 100", own[AT_100] / last[AT_100], 1.0)
    gain = median[ALL] - own[ALL]
    yield holds(f"{called}: its gain on the median is above two sd over seeds", gain > 2 * noise)
    sure = figures[LESS_MEDIAN[name]]["high"] < 0
    yield holds(f"{called}: it is above the noise over time (bootstrap, 95 %)", sure)
