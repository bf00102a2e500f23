"""Recorded series for tests: made of waves, so that there is something to learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np

ROWS = 400
STEP = 300 * 10**9
FIRST = 1_700_000_000 * 10**9


def values(seed: int, rows: int = ROWS) -> np.ndarray:
    """A wave with noise, another one for each seed."""
    rng = np.random.default_rng(seed)
    at = np.arange(rows)
    return 50 + 10 * np.sin(at / (5 + seed)) + rng.normal(0, 1, rows)


def write(folder: Path, *nodes: str, rows: int = ROWS) -> Path:
    """A file for each node; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, node in enumerate(nodes):
        lines = [f"{FIRST + at * STEP},{value:.6f}" for at, value in enumerate(values(seed, rows))]
        (folder / f"{node}.csv").write_text("time,value\n" + "\n".join(lines) + "\n")
    return folder
