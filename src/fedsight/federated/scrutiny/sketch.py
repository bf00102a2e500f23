"""An update as a short vector: its norm exactly, its angles to others nearly.

A random projection with signs (Achlioptas 2003, "Database-friendly random projections"; Charikar,
Chen, Farach-Colton 2002, "Finding frequent items in data streams"): value j is multiplied by a
random sign and added to place j mod WIDTH. Inner products are right in expectation, and the error
of a cosine is about 1 / sqrt(WIDTH) (the lemma of Johnson and Lindenstrauss 1984). So a round holds
4 kB for each node, however large the model is.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedsight.federated.flat import Vector

#: Places of a sketch: an error of 0.03 in a cosine.
WIDTH = 1024
#: An update that is no longer than this is kept as it is: a sketch of it would hardly be shorter,
#: and would take longer than the rest of a very short round.
DIRECT = 4096
#: Values that are looked at at once, a multiple of WIDTH: they stay in the processor's cache.
BLOCK = 256 * WIDTH
#: Signs beyond a block's, for the blocks of a long vector to begin at different ones.
SPARE = 1 << 20
#: What the norm of an update counts as whose square is not finite.
LONGEST = 1e30

Floats = NDArray[np.float32]


class Sketches(NamedTuple):
    """The updates of a round: their Euclidean norms (n,), and a row for each (n, k) float32 whose
    angles are theirs, with the rows' own lengths (n,). `samples` (n,) is how many each says it
    stands for; 0: it does not say."""

    norms: NDArray[np.float64]
    rows: Floats
    lengths: NDArray[np.float64]
    samples: NDArray[np.float64]


class Sketch(NamedTuple):
    """One update's norm, and its sketch (WIDTH,) float32."""

    norm: float
    places: Floats


def gathered(sketches: Sequence[Sketch], samples: Sequence[float]) -> Sketches:
    """Sketches of one sketcher, put together."""
    norms, rows = np.array([one.norm for one in sketches]), np.stack([s.places for s in sketches])
    return Sketches(norms, rows, np.sqrt(_squares(rows)), np.array(samples, float))


def direct(vectors: Sequence[Vector], model: Vector, samples: Sequence[float]) -> Sketches:
    """Short updates as they are: those of nodes' models, each of shape (n,), from `model`."""
    with np.errstate(over="ignore", invalid="ignore"):
        rows = np.subtract(vectors, model, dtype=np.float32, casting="same_kind")
        squares = _squares(rows)
    if not math.isfinite(squares.sum()):
        pairs = zip(squares.tolist(), rows, strict=True)
        return gathered([_bounded(*one) for one in pairs], samples)
    norms = np.sqrt(squares)
    return Sketches(norms, rows, norms, np.array(samples, float))


def _squares(rows: Floats) -> NDArray[np.float64]:
    """Squared lengths of rows."""
    squares: NDArray[np.float64] = np.einsum("ij,ij->i", rows, rows).astype(np.float64)
    return squares


def _bounded(square: float, places: Floats) -> Sketch:
    """A sketch from the squared norm; of one beyond all numbers only that it is very long."""
    if math.isfinite(square) and np.isfinite(places).all():
        return Sketch(math.sqrt(square), places)
    return Sketch(LONGEST, np.zeros_like(places))


class Sketcher:
    """Makes sketches that can be compared with one another.

    The signs are drawn from the system's randomness and never told: a node that knew them could
    make an update whose sketch looks like another's.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._rng = np.random.default_rng(secrets.randbits(128) if seed is None else seed)
        self._size = 0
        self._signs: Floats = np.empty(0, np.float32)
        self._offsets: list[int] = []
        self._room: Floats = np.empty(0, np.float32)

    def sketch(self, vector: Vector, model: Vector) -> Sketch:
        """The sketch of `vector - model`, both of shape (n,); neither is written to."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self._sketch(vector, model)

    def _sketch(self, vector: Vector, model: Vector) -> Sketch:
        size = len(vector)
        if size != self._size:
            self._prepare(size)
        places, square = np.zeros(WIDTH, np.float32), 0.0
        for start, offset in zip(range(0, size, BLOCK), self._offsets, strict=True):
            stop = min(start + BLOCK, size)
            room = self._room[: stop - start]
            np.subtract(vector[start:stop], model[start:stop], out=room, casting="same_kind")
            square += float(np.dot(room, room))
            np.multiply(room, self._signs[offset : offset + len(room)], out=room)
            places += self._folded(len(room))
        return _bounded(square, places)

    def _prepare(self, size: int) -> None:
        """Signs, and where in them each block of a vector begins: the same for all vectors.

        A few million signs serve a model of any size; where blocks begin is as random as they.
        """
        blocks = -(-size // BLOCK)
        block = -(-min(size, BLOCK) // WIDTH) * WIDTH
        spare = 0 if blocks == 1 else SPARE
        self._size, self._room = size, np.zeros(block, np.float32)
        self._signs = self._rng.choice(np.array([-1, 1], np.float32), block + spare)
        self._offsets = self._rng.integers(0, spare + 1, blocks).tolist()

    def _folded(self, size: int) -> Floats:
        """The first `size` values of the room, added up in WIDTH places."""
        whole = -(-size // WIDTH) * WIDTH
        self._room[size:whole] = 0
        folded: Floats = self._room[:whole].reshape(-1, WIDTH).sum(0)
        return folded
