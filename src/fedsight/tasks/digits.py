"""Handwritten digits, 8 x 8: scikit-learn's 1,797 images; a small dense network."""

from __future__ import annotations

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import nn

from fedsight.errors import MissingExtraError
from fedsight.tasks.classification import Classification, Labelled, Pooled, initialise

HELD_OUT = 360
#: Which images are held out never changes: a score must mean the same in every run.
_SPLIT_SEED = 1797
_DATA = "datasets/data/digits.csv.gz"


def _load() -> Pooled:
    """1,437 images to train and 360 held out; pixels in [0, 1]."""
    # The file alone: importing scikit-learn takes longer than a first round.
    found = find_spec("sklearn")
    if found is None or found.origin is None:
        raise MissingExtraError("scikit-learn (the digits of task digits)", "torch")
    with gzip.open(Path(found.origin).parent / _DATA, "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.uint8)
    order = torch.from_numpy(np.random.default_rng(_SPLIT_SEED).permutation(len(table)))
    inputs = torch.from_numpy(table[:, :-1] / np.float32(16))[order]
    targets = torch.from_numpy(table[:, -1].astype(np.int64))[order]
    return Pooled(
        Labelled(inputs[HELD_OUT:], targets[HELD_OUT:]),
        Labelled(inputs[:HELD_OUT], targets[:HELD_OUT]),
    )


def _build(rng: torch.Generator) -> nn.Module:
    """One hidden layer of 32: 2,410 parameters."""
    return initialise(nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10)), rng)


DIGITS = Classification(_load, _build)
