"""Which updates of one round are unlike the others: pure functions of norms and sketches.

Three things give an attacker away, and each is compared with the other nodes of the same round,
robustly, so that no threshold depends on the task (median and MAD: Leys et al. 2013, "Detecting
outliers: do not use standard deviation around the mean, use absolute deviation around the median"):

- *norm*: a scaled update is long (Bagdasaryan et al. 2020, "How to backdoor federated learning").
  So is one of wrong labels, once the model has learned the right ones: they never fit.
- *cosine*, its median to the others' updates: a flipped sign points away from them, wrong labels
  pull against them (Fung et al. 2018, FoolsGold, and Blanchard et al. 2017, Krum, compare updates
  pairwise; Cao et al. 2021, FLTrust, use the cosine to one that is trusted).
- *twin*, its greatest cosine to another: nodes that collude send the same, as in "A little is
  enough" (Baruch et al. 2019), whose updates hide within the others' spread; honest nodes' data are
  their own. Looked at only where two are all but identical.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedsight.federated.scrutiny.sketch import Sketch

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
#: A cosine of 1 has no Fisher transform: this is the greatest that is told apart.
MOST_COSINE = 0.9999
#: Deviations are cut here, so that no single round decides.
LEAST_DEVIATION, MOST_DEVIATION = -3.0, 8.0
#: So many deviations of a twin are no evidence yet: two nodes of many are always alike.
TWIN_MARGIN = 4.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Look:
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


def looks(sketches: Sequence[Sketch], rng: np.random.Generator) -> list[Look]:
    """Compare the updates of one round. `rng` draws the peers where there are very many."""
    norms = np.array([one.norm for one in sketches])
    moved = np.flatnonzero(norms > 0)
    found = [Look(float(norm)) for norm in norms]
    if len(moved) < 2:
        return found
    places = np.stack([sketches[at].places for at in moved.tolist()])
    cosine, twin = _cosines(places, rng)
    if len(moved) < FEWEST:
        columns = [_listed(cosine), _listed(twin)]
        for at, row in zip(moved.tolist(), zip(*columns, strict=True), strict=True):
            found[at] = Look(float(norms[at]), *row)
        return found
    by_norm = deviations(np.log(norms[moved]), LEAST_LOG_NORM)
    by_cosine = -deviations(cosine, LEAST_COSINE)
    by_twin = np.where(twin >= TWIN_COSINE, deviations(_fisher(twin), LEAST_TWIN), 0.0)
    score = _score(by_norm, by_cosine, by_twin)
    columns = [_listed(one) for one in (cosine, twin, by_norm, by_cosine, by_twin, score)]
    for at, row in zip(moved.tolist(), zip(*columns, strict=True), strict=True):
        found[at] = Look(float(norms[at]), *row)
    return found


def deviations(values: Floats, least: float) -> Floats:
    """How many robust standard deviations each value lies above the median."""
    away = values - _median(values)
    spread = MAD * _median(np.abs(away))
    found: Floats = away / max(spread, least)
    return found


def _score(norm: Floats, cosine: Floats, twin: Floats) -> Floats:
    """Norm and cosine add up as independent normals do (Stouffer's method); a twin is evidence
    by itself."""
    both = np.clip(norm, LEAST_DEVIATION, MOST_DEVIATION)
    both = (both + np.clip(cosine, LEAST_DEVIATION, MOST_DEVIATION)) / math.sqrt(2)
    alike = np.clip(twin - TWIN_MARGIN, 0, MOST_DEVIATION)
    found: Floats = np.where(alike > 0, np.maximum(both, alike), both)
    return found


def _cosines(places: NDArray[np.float32], rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Of each update, the median and the greatest cosine to others, shapes (n,)."""
    unit = places / np.maximum(np.linalg.norm(places, axis=1, keepdims=True), 1e-30)
    count = len(unit)
    peers = np.arange(count)
    if count > MOST_PEERS:
        peers = np.sort(rng.choice(count, MOST_PEERS, replace=False))
    cosines = (unit @ unit[peers].T).astype(np.float64)
    cosines[peers, np.arange(len(peers))] = np.inf  # oneself comes last and is left out
    cosines.sort(axis=1)
    others = np.full(count, len(peers))
    others[peers] -= 1
    rows = np.arange(count)
    median = (cosines[rows, (others - 1) // 2] + cosines[rows, others // 2]) / 2
    return np.clip(median, -1, 1), np.clip(cosines[rows, others - 1], -1, 1)


def _median(values: Floats) -> float:
    """As numpy's, which takes ten times as long on ten values."""
    ordered = np.sort(values)
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return float(ordered[middle])
    return float(ordered[middle - 1] + ordered[middle]) / 2


def _fisher(cosine: Floats) -> Floats:
    found: Floats = np.arctanh(np.clip(cosine, -MOST_COSINE, MOST_COSINE))
    return found


def _listed(values: Floats) -> list[float]:
    return [float(value) for value in values]
