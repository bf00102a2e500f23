"""A model whose parameters are views of one vector: loaded and read with one copy.

What travels between server and nodes, and what is aggregated, is that vector. The user's `train`
sees an ordinary `torch.nn.Module`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Vector = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True)
class Entry:
    """One tensor of the model: its name in the state dict, shape, dtype and place in the vector."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    start: int
    stop: int


class FlatModel:
    """A model, its state laid out in one vector (shape (n,), float32, or float64 if it has any).

    Parameters and floating-point buffers become views of the vector. Other buffers (a batch
    norm's step counter) travel as numbers in it and are rounded when read back. Tied parameters
    stand in it once.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        tensors = _state(model)
        double = any(tensor.dtype == torch.float64 for tensor in tensors.values())
        self._dtype = torch.float64 if double else torch.float32
        self.manifest = _layout(tensors)
        size = self.manifest[-1].stop if self.manifest else 0
        self._vector = torch.empty(size, dtype=self._dtype)
        self._numpy: Vector = self._vector.numpy()
        self._views: list[tuple[Tensor, Tensor]] = []
        self._copies: list[tuple[Tensor, Tensor]] = []
        with torch.no_grad():
            for entry, tensor in zip(self.manifest, tensors.values(), strict=True):
                self._place(entry, tensor)

    def _place(self, entry: Entry, tensor: Tensor) -> None:
        view = self._vector[entry.start : entry.stop].view(entry.shape)
        view.copy_(tensor)
        if tensor.dtype == self._dtype:
            tensor.data = view
            self._views.append((tensor, view))
        else:
            self._copies.append((tensor, view))

    def __len__(self) -> int:
        return len(self._numpy)

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The vector's dtype."""
        return self._numpy.dtype

    def parameters(self) -> Iterator[tuple[nn.Parameter, int, int]]:
        """Each parameter, and where its values begin and end in the vector; no buffers."""
        named = dict(self.model.named_parameters())
        for entry in self.manifest:
            if entry.name in named:
                yield named[entry.name], entry.start, entry.stop

    def load(self, vector: Vector) -> None:
        """Set the model's state from `vector`, shape (n,). Raises ValueError on another shape."""
        if vector.shape != self._numpy.shape:
            raise ValueError(f"model has {len(self)} values, got an array of shape {vector.shape}")
        np.copyto(self._numpy, vector)
        with torch.no_grad():
            self._reattach()
            for tensor, view in self._copies:
                tensor.copy_(view if tensor.is_floating_point() else view.round())

    def vector(self) -> Vector:
        """A copy of the model's state as it is now, shape (n,)."""
        with torch.no_grad():
            for tensor, view in self._views:
                if tensor.data_ptr() != view.data_ptr():  # moved: `model.to(...)` was called
                    view.copy_(tensor)
            for tensor, view in self._copies:
                view.copy_(tensor)
        return self._numpy.copy()

    def _reattach(self) -> None:
        """Copy the vector into tensors that were moved away from it, to another device say."""
        for tensor, view in self._views:
            if tensor.data_ptr() != view.data_ptr():
                tensor.copy_(view)


def _state(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and persistent buffers, by name, tied ones once, in the state dict's order."""
    live = dict(model.named_parameters()) | dict(model.named_buffers())
    return {name: live[name] for name in model.state_dict() if name in live}


def _layout(tensors: dict[str, Tensor]) -> tuple[Entry, ...]:
    entries, start = [], 0
    for name, tensor in tensors.items():
        dtype = str(tensor.dtype).removeprefix("torch.")
        stop = start + tensor.numel()
        entries.append(Entry(name, tuple(tensor.shape), dtype, start, stop))
        start = stop
    return tuple(entries)
