"""Who trains in a round: pure functions of the run's seed and the round."""

from __future__ import annotations

import random
from collections.abc import Sequence

from fedsight.federated.client import stream
from fedsight.federated.wrapping import Choose

#: Names this random stream, so that no other stream of the same run seed repeats it.
_STREAM = 0x5E1EC7


def random_fraction(fraction: float, seed: int) -> Choose:
    """`fraction` of the nodes, at least one, drawn anew each round; in the order of the nodes."""

    def choose(round_: int, nodes: Sequence[int]) -> Sequence[int]:
        count = max(1, round(fraction * len(nodes)))
        if count >= len(nodes):
            return nodes
        # A generator of NumPy's takes longer to make than all the rest of choosing.
        drawn = random.Random(stream(_STREAM, seed, round_)).sample(range(len(nodes)), count)
        return [nodes[at] for at in sorted(drawn)]

    return choose
