"""Who trains in a round: pure functions of the run's seed and the round."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fedsight.federated.wrapping import Choose

#: Names this random stream, so that no other stream of the same run seed repeats it.
_STREAM = 0x5E1EC7


def random_fraction(fraction: float, seed: int) -> Choose:
    """`fraction` of the nodes, at least one, drawn anew each round; in the order of the nodes."""

    def choose(round_: int, nodes: Sequence[int]) -> Sequence[int]:
        count = max(1, round(fraction * len(nodes)))
        if count >= len(nodes):
            return nodes
        rng = np.random.default_rng([_STREAM, seed, round_])
        return [nodes[at] for at in np.sort(rng.choice(len(nodes), count, replace=False))]

    return choose
