"""Which updates of one round are unlike the others: pure functions of norms and sketches.

Three things give an attacker away, and each is compared with the other nodes of the same round,
robustly, so that no threshold depends on the task (median and MAD: Leys et al. 2013, "Detecting
outliers: do not use standard deviation around the mean, use absolute deviation around the median"):

- *norm*, beside the samples that it stands for: a scaled update is long (Bagdasaryan et al. 2020,
  "How to backdoor federated learning"). So is one of wrong labels, once the model has learned the
  right ones: they never fit.
- *cosine*, its median to the others' updates: a flipped sign points away from them, wrong labels
  pull against them (Fung et al. 2018, FoolsGold, and Blanchard et al. 2017, Krum, compare updates
  pairwise; Cao et al. 2021, FLTrust, use the cosine to one that is trusted).
- *twin*, its greatest cosine to another: nodes that collude send the same, as in "A little is
  enough" (Baruch et al. 2019), whose updates hide within the others' spread; honest nodes' data are
  their own. Looked at only where two are all but identical.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedsight.federated.scrutiny.sketch import Sketches

#: With fewer updates nobody can say who is the odd one out.
FEWEST = 5
#: An update is compared with so many others at most: a round of thousands takes no square of it.
MOST_PEERS = 256
#: MAD of a normal distribution in standard deviations.
MAD = 1.4826
#: Deviations below these say nothing, however alike the others are: a tenth in the norm, 0.05 in
#: a cosine (which a sketch knows to 0.03).
LEAST_LOG_NORM, LEAST_COSINE, LEAST_TWIN = 0.1, 0.05, 0.1
#: Two updates whose cosine is above this are the same for all we care.
TWIN_COSINE = 0.98
#: Nodes whose log samples differ by less than this say nothing of what samples account for; and so
#: many nodes are enough to say it.
LEAST_APART, MOST_PAIRED = 0.1, 64
#: A cosine of 1 has no Fisher transform: this is the greatest that is told apart.
MOST_COSINE = 0.9999
#: Deviations are cut here, so that no single round decides.
LEAST_DEVIATION, MOST_DEVIATION = -3.0, 8.0
#: So many deviations of a twin are no evidence yet: two nodes of many are always alike.
TWIN_MARGIN = 4.0

_LEAST = np.array([LEAST_LOG_NORM, LEAST_COSINE, LEAST_TWIN, LEAST_LOG_NORM])

Floats = NDArray[np.float64]


class Look(NamedTuple):
    """One update beside the others of its round.

    `norm` is Euclidean, `cosine` the median to the others' updates and `twin` the greatest; None
    where there is no other, or the update is zero. `*_deviation` are robust standard deviations
    from the round's medians, positive towards suspicion; `score` combines them, about 0 for an
    honest node. They are None in a round of fewer than `FEWEST`.
    """

    norm: float
    cosine: float | None = None
    twin: float | None = None
    norm_deviation: float | None = None
    cosine_deviation: float | None = None
    twin_deviation: float | None = None
    score: float | None = None


def looks(sketches: Sketches, rng: np.random.Generator) -> list[Look]:
    """Compare the updates of one round. `rng` draws the peers where there are very many."""
    norms = sketches.norms
    moved = norms > 0
    if moved.all():
        return _compared(sketches, rng)
    some = Sketches(norms[moved], sketches.rows[moved], sketches.samples[moved])
    rest = iter(_compared(some, rng))
    return [next(rest) if one else Look(0.0) for one in moved.tolist()]


def _compared(sketches: Sketches, rng: np.random.Generator) -> list[Look]:
    """The same, of updates none of which is zero."""
    norms, rows, samples = sketches
    if len(norms) < 2:
        return [Look(norm) for norm in norms.tolist()]
    cosine, twin = _cosines(rows, rng)
    columns = [norms.tolist(), cosine.tolist(), twin.tolist()]
    if len(norms) >= FEWEST:
        fisher = np.arctanh(np.minimum(twin, MOST_COSINE))
        lengths = np.log(norms)
        excused = _beside_samples(lengths, samples, rng)
        by_four = deviations(np.array([lengths, -cosine, fisher, excused]), _LEAST)
        found = by_four[:3]
        found[0] = np.minimum(by_four[0], by_four[3])
        found[2, twin < TWIN_COSINE] = 0.0
        columns += [*found.tolist(), _scores(found).tolist()]
    return list(map(Look, *columns))


def _beside_samples(log_norms: Floats, samples: Floats, rng: np.random.Generator) -> Floats:
    """Log norms without what more samples account for: who trains more steps moves further.

    The slope is the median of those between pairs (Theil 1950, Sen 1968), from 0 to 1: whoever
    would excuse an update k times as long must claim k times the samples at least. Samples may
    excuse a length; that a node has few accuses it of nothing: of ten nodes the slope is a guess.
    """
    if not (samples > 0).all():
        return log_norms
    sizes = np.log(samples)
    some = np.arange(len(sizes))
    if len(some) > MOST_PAIRED:
        some = rng.choice(len(some), MOST_PAIRED, replace=False)
    apart = np.subtract.outer(sizes[some], sizes[some])
    differ = apart > LEAST_APART
    if np.count_nonzero(differ) < FEWEST:
        return log_norms
    longer = np.subtract.outer(log_norms[some], log_norms[some])[differ] / apart[differ]
    slope = min(max(float(_medians(longer[None])[0]), 0.0), 1.0)
    return log_norms - slope * sizes


def deviations(values: Floats, least: Floats) -> Floats:
    """How many robust standard deviations each value lies above its row's median, shape (k, n).

    `least` is the smallest that a deviation of a row may be, shape (k,).
    """
    away = values - _medians(values)[:, None]
    spread = np.maximum(MAD * _medians(np.abs(away)), least)
    found: Floats = away / spread[:, None]
    return found


def _scores(found: Floats) -> Floats:
    """Norm and cosine add up as independent normals do (Stouffer's method); a twin is evidence
    by itself."""
    norm, cosine = np.clip(found[:2], LEAST_DEVIATION, MOST_DEVIATION)
    both: Floats = (norm + cosine) / math.sqrt(2)
    alike = found[2] - TWIN_MARGIN
    if alike.max() <= 0:
        return both
    return np.where(alike > 0, np.maximum(both, np.minimum(alike, MOST_DEVIATION)), both)


def _cosines(rows: NDArray[np.float32], rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Of each update, the median and the greatest cosine to others, shapes (n,)."""
    count = len(rows)
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    unit = rows / np.maximum(lengths, 1e-30)[:, None]
    peers = np.arange(count)
    if count > MOST_PEERS:
        peers = np.sort(rng.choice(count, MOST_PEERS, replace=False))
    cosines = (unit @ unit[peers].T).astype(np.float64)
    cosines[peers, np.arange(len(peers))] = np.inf  # oneself comes last and is left out
    cosines.sort(axis=1)
    others = np.full(count, len(peers))
    others[peers] -= 1
    every = np.arange(count)
    median = (cosines[every, (others - 1) // 2] + cosines[every, others // 2]) / 2
    return np.clip(median, -1, 1), np.clip(cosines[every, others - 1], -1, 1)


def _medians(values: Floats) -> Floats:
    """Of each row; as numpy's, which takes ten times as long on ten values."""
    ordered = np.sort(values, axis=1)
    middle = ordered.shape[1] // 2
    found: Floats = ordered[:, middle]
    return found if ordered.shape[1] % 2 else (found + ordered[:, middle - 1]) / 2
