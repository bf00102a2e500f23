"""Models of two tensors, made without training."""

from __future__ import annotations

from pathlib import Path

import torch

from fedsight.federated.versions import Manifest, Metrics, ModelStore, RunKeeper

EVERYTHING = 1000


def state(fill: float = 1.0) -> dict[str, torch.Tensor]:
    """Two tensors, one of them filled with `fill`."""
    return {"0.weight": torch.full((2, 3), float(fill)), "0.steps": torch.tensor(7)}


def store_with(folder: Path, rounds: int = 3, run: str = "r-1") -> ModelStore:
    """A store with so many rounds of one run; round n has accuracy n / 10."""
    store = ModelStore(folder / "models")
    keeper = RunKeeper(store, run, "toy", EVERYTHING)
    for number in range(1, rounds + 1):
        keeper.keep(number, state(number), Metrics(number / 10, 1.0 / number))
    return store


def versions(store: ModelStore) -> list[str]:
    """The names of what is there and whole, in order of run and round."""
    found = store.scan()
    assert [one for one in found.versions if store.fault(one) is not None] == []
    assert found.faults == []
    return [str(one.name) for one in sorted(found.versions, key=lambda one: one.name)]


def files(store: ModelStore) -> set[str]:
    """Every file of the store but its lock."""
    paths = (path.relative_to(store.folder) for path in store.folder.rglob("*"))
    return {str(path) for path in paths if path.suffix} - {".lock"}


def manifest(
    run: str = "r-1",
    round: int = 1,
    accuracy: float | None = None,
    loss: float | None = None,
    created: str = "2026-01-01T00:00:00.000000Z",
) -> Manifest:
    """A manifest without any file."""
    return Manifest(
        version=f"{run}/{round}",
        run=run,
        round=round,
        parent=None,
        task="toy",
        created=created,
        metrics=Metrics(accuracy, loss),
        size=0,
        sha256="",
        tensors=(),
    )
