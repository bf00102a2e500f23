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
    rows, lengths = sketches.rows[moved], sketches.lengths[moved]
    some = Sketches(norms[moved], rows, lengths, sketches.samples[moved])
    rest = iter(_compared(some, rng))
    return [next(rest) if one else Look(0.0) for one in moved.tolist()]


def _compared(sketches: Sketches, rng: np.random.Generator) -> list[Look]:
    """The same, of updates none of which is zero."""
    norms, rows, lengths, samples = sketches
    if len(norms) < 2:
        return [Look(norm) for norm in norms.tolist()]
    cosine, twin = _cosines(rows, lengths, rng)
    columns = [norms.tolist(), cosine.tolist(), twin.tolist()]
    if len(norms) >= FEWEST:
        log_norms = np.log(norms)
        found = _found(log_norms, cosine, twin, _beside_samples(log_norms, samples, rng))
        columns += [*found.tolist(), _scores(found).tolist()]
    return list(map(Look, *columns))


def _found(log_norms: Floats, cosine: Floats, twin: Floats, excused: Floats | None) -> Floats:
    """Deviations of norm, cosine and twin, shape (3, n).

    What most rounds have not is not reckoned: samples that excuse a length, two that are alike.
    """
    alike = twin.max() >= TWIN_COSINE
    rows, least = [log_norms, -cosine], [LEAST_LOG_NORM, LEAST_COSINE]
    if alike:
        rows.append(np.arctanh(np.minimum(twin, MOST_COSINE)))
        least.append(LEAST_TWIN)
    if excused is not None:
        rows.append(excused)
        least.append(LEAST_LOG_NORM)
    each = deviations(np.array(rows), np.array(least))
    found = np.zeros((3, len(twin)))
    found[: 2 + alike] = each[: 2 + alike]
    if alike:
        found[2, twin < TWIN_COSINE] = 0.0
    if excused is not None:
        np.minimum(found[0], each[-1], out=found[0])
    return found


def _beside_samples(log_norms: Floats, samples: Floats, rng: np.random.Generator) -> Floats | None:
    """Log norms without what more samples account for: who trains more steps moves further.

    None where samples account for nothing, or where they are not all told.

    The slope is the median of those between pairs (Theil 1950, Sen 1968), from 0 to 1: whoever
    would excuse an update k times as long must claim k times the samples at least. Samples may
    excuse a length; that a node has few accuses it of nothing: of ten nodes the slope is a guess.
    """
    fewest, most = samples.min(), samples.max()
    if fewest <= 0 or math.log(most / fewest) <= LEAST_APART:
        return None
    sizes = np.log(samples)
    some = np.arange(len(sizes))
    if len(some) > MOST_PAIRED:
        some = rng.choice(len(some), MOST_PAIRED, replace=False)
    apart = np.subtract.outer(sizes[some], sizes[some])
    differ = apart > LEAST_APART
    if np.count_nonzero(differ) < FEWEST:
        return None
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


def _cosines(
    rows: NDArray[np.float32], lengths: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Of each update, the median and the greatest cosine to others, shapes (n,)."""
    count = len(rows)
    if count > MOST_PEERS:
        return _cosines_to_some(rows, lengths, rng)
    scale = _one_by(lengths)
    # By a copy: NumPy sees where a matrix meets itself, and is four times slower at so few rows.
    cosines = (rows @ rows.copy().T) * scale[:, None] * scale
    np.fill_diagonal(cosines, np.inf)  # oneself comes last and is left out
    cosines.sort(axis=1)
    median = (cosines[:, (count - 2) // 2] + cosines[:, (count - 1) // 2]) / 2
    return _clipped(median), _clipped(cosines[:, count - 2])


def _cosines_to_some(
    rows: NDArray[np.float32], lengths: Floats, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """The same, to MOST_PEERS that are drawn."""
    count, scale = len(rows), _one_by(lengths)
    peers = np.sort(rng.choice(count, MOST_PEERS, replace=False))
    cosines = (rows @ rows[peers].T) * scale[:, None] * scale[peers]
    cosines[peers, np.arange(MOST_PEERS)] = np.inf
    cosines.sort(axis=1)
    others = np.full(count, MOST_PEERS)
    others[peers] -= 1
    every = np.arange(count)
    median = (cosines[every, (others - 1) // 2] + cosines[every, others // 2]) / 2
    return _clipped(median), _clipped(cosines[every, others - 1])


def _one_by(lengths: Floats) -> Floats:
    """What makes rows of these lengths unit vectors; a row of nothing stays nothing."""
    scale: Floats = 1.0 / np.maximum(lengths, 1e-30)
    return scale


def _clipped(cosines: Floats) -> Floats:
    """Within [-1, 1], which rounding may leave."""
    found: Floats = np.minimum(np.maximum(cosines, -1.0), 1.0)
    return found


def _medians(values: Floats) -> Floats:
    """Of each row; as numpy's, which takes ten times as long on ten values."""
    ordered = np.sort(values, axis=1)
    middle = ordered.shape[1] // 2
    found: Floats = ordered[:, middle]
    return found if ordered.shape[1] % 2 else (found + ordered[:, middle - 1]) / 2
