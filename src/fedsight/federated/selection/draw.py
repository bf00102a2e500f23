"""How many nodes train in a round, and drawing them: pure functions of the seed and the round."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence

from fedsight.federated.node.client import stream

#: Names this random stream, so that no other stream of the same run seed repeats it.
_STREAM = 0x5E1EC7

#: Chooses who trains: (round, all nodes in order) -> the chosen ones.
Choose = Callable[[int, Sequence[int]], Sequence[int]]


def generator(seed: int, round_: int) -> random.Random:
    """The random numbers of one round's choice.

    A generator of NumPy's takes longer to make than all the rest of choosing.
    """
    return random.Random(stream(_STREAM, seed, round_))


def places(fraction: float, over_select: float, nodes: int) -> int:
    """How many of `nodes` train: `fraction` of them, at least one, and `over_select` more.

    k nodes become ceil(k * (1 + over_select)), as many as there are at most.
    """
    wanted = max(1, round(fraction * nodes))
    more = math.ceil(round(wanted * over_select, 9))  # 10 * 0.1 is one more, not two
    return min(nodes, wanted + more)


def shared_out(share: float, count: int, rng: random.Random) -> int:
    """`share` of `count` as a whole number: what is over becomes one more by chance.

    So the mean over many rounds is the share itself, also where `count` is 1.
    """
    exact = share * count
    whole = math.floor(exact)
    return min(count, whole + (rng.random() < exact - whole))


def weighted(weights: Sequence[float], count: int, rng: random.Random) -> list[int]:
    """`count` places of `weights`, drawn by weight, none twice.

    Each place's key is ln(u) / weight for a uniform u, and the greatest keys win: Efraimidis and
    Spirakis 2006. A place of weight 0 is drawn only where the others are not enough.
    """
    keys = [math.log(1.0 - rng.random()) / max(weight, 1e-12) for weight in weights]
    return sorted(range(len(weights)), key=keys.__getitem__, reverse=True)[:count]


def random_fraction(fraction: float, seed: int) -> Choose:
    """`fraction` of the nodes, at least one, drawn anew each round; in the order of the nodes."""

    def choose(round_: int, nodes: Sequence[int]) -> Sequence[int]:
        count = places(fraction, 0.0, len(nodes))
        if count >= len(nodes):
            return nodes
        drawn = generator(seed, round_).sample(range(len(nodes)), count)
        return [nodes[at] for at in sorted(drawn)]

    return choose
