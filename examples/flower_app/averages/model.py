"""Logistic regression in NumPy, and data that every node draws for itself."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

FEATURES = 10


def initial() -> list[Array]:
    """Weights (FEATURES,) and bias (1,)."""
    return [np.zeros(FEATURES), np.zeros(1)]


def data(part: int) -> tuple[Array, Array]:
    """Samples and labels of one node: the same rule everywhere, more samples on later nodes."""
    rule = np.random.default_rng(0).normal(size=FEATURES)
    rng = np.random.default_rng(part + 1)
    samples = rng.normal(size=(100 + 50 * part, FEATURES))
    noise = rng.normal(scale=0.5, size=len(samples))
    return samples, (samples @ rule + noise > 0).astype(float)


def train(model: list[Array], samples: Array, labels: Array, steps: int, lr: float) -> list[Array]:
    """The model after so many steps of gradient descent."""
    weights, bias = (one.copy() for one in model)
    for _ in range(steps):
        error = predicted([weights, bias], samples) - labels
        weights -= lr * samples.T @ error / len(samples)
        bias -= lr * error.mean()
    return [weights, bias]


def scores(model: list[Array], samples: Array, labels: Array) -> dict[str, float]:
    """Cross-entropy and accuracy."""
    found = np.clip(predicted(model, samples), 1e-9, 1 - 1e-9)
    loss = -(labels * np.log(found) + (1 - labels) * np.log(1 - found)).mean()
    return {"loss": float(loss), "accuracy": float(((found > 0.5) == (labels > 0.5)).mean())}


def predicted(model: list[Array], samples: Array) -> Array:
    """Probabilities."""
    weights, bias = model
    return 1 / (1 + np.exp(-(samples @ weights + bias)))
