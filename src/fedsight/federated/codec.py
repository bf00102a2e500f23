"""The model in a Flower message: one flat Array, serialised only where bytes are asked for.

A message that stays in this process hands its vector on as it is; one that crosses a network is
turned into bytes by Flower as any other. Four tensors in an ArrayRecord cost 195 microseconds
there and back, one flat Array 38, a lazy one 2. One that came over a network is read where it
lies: `unpack` gives a view of its bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from io import BytesIO
from math import prod
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, RecordDict
from flwr.common.constant import SType
from numpy.typing import NDArray

from fedsight.federated.flat import Vector

#: The record of a message's content that holds the model, and the array within it.
ARRAYS = "arrays"
FLAT = "flat"


class _LazyArray(Array):
    """An Array that keeps its vector and makes its bytes when they are first read."""

    def __init__(self, vector: Vector) -> None:
        # At once: Array watches each assignment.
        self.__dict__.update(
            vector=vector, dtype=_name(vector.dtype), shape=vector.shape, stype=SType.NUMPY
        )

    def __getattr__(self, name: str) -> Any:
        if name != "data":
            raise AttributeError(name)
        data = self.__dict__["data"] = _serialise(self.__dict__["vector"])
        return data

    def numpy(self) -> Vector:
        """The vector itself, not a copy: readers do not write to it."""
        vector: Vector = self.__dict__["vector"]
        return vector


class _LaterArray(_LazyArray):
    """An Array whose vector is made anew whenever it is read, and not kept."""

    def __init__(
        self, make: Callable[[], Vector], shape: tuple[int, ...], dtype: np.dtype[Any]
    ) -> None:
        self.__dict__.update(make=make, dtype=_name(dtype), shape=shape, stype=SType.NUMPY)

    def __getattr__(self, name: str) -> Any:
        if name != "data":
            raise AttributeError(name)
        return _serialise(self.numpy())

    def numpy(self) -> Vector:
        """The vector, made now."""
        vector: Vector = self.__dict__["make"]()
        return vector


class _OwnArray(_LazyArray):
    """An Array whose readers each get values of their own, which they may write to."""

    def numpy(self) -> Vector:
        """A copy of the values."""
        vector: Vector = self.__dict__["vector"]
        return vector.copy()


# Flower writes the class name in front of the bytes and looks it up there by name.
_LazyArray.__name__ = _LazyArray.__qualname__ = "Array"
_LaterArray.__name__ = _LaterArray.__qualname__ = "Array"
_OwnArray.__name__ = _OwnArray.__qualname__ = "Array"


def pack(vector: Vector) -> ArrayRecord:
    """An ArrayRecord that holds `vector` (shape (n,)) as its one array. It is not copied."""
    record = ArrayRecord()
    record[FLAT] = _LazyArray(vector)
    return record


def pack_later(make: Callable[[], Vector], size: int, dtype: np.dtype[Any]) -> ArrayRecord:
    """As `pack`, of a vector of `size` values that `make` makes whenever it is read.

    Many messages that wait, each with a vector of its own, then hold none.
    """
    record = ArrayRecord()
    record[FLAT] = _LaterArray(make, (size,), dtype)
    return record


def lazy(values: NDArray[Any]) -> Array:
    """An Array that holds `values`, of any shape, and is serialised only where bytes are read."""
    return _LazyArray(values)


def owned(content: RecordDict) -> RecordDict:
    """The content with arrays that code which knows nothing of us may read as Flower's own."""
    for record in content.array_records.values():
        for name, array in record.items():
            values = kept(array)
            if values is not None:
                record[name] = _OwnArray(values)
    return content


def kept(array: Array) -> NDArray[Any] | None:
    """The values that such an Array holds; None where it is another kind."""
    return array.numpy() if isinstance(array, _LazyArray) else None


def unpack(record: ArrayRecord) -> Vector:
    """The one vector of a record, not a copy: readers do not write to it.

    Raises ValueError where it holds another number of arrays, or not a vector of floats. A node
    may send any other record in its place.
    """
    if not isinstance(record, ArrayRecord):
        raise ValueError(f"expected arrays, got {type(record).__name__}")
    if len(record) != 1:
        raise ValueError(f"expected one flat array, got {len(record)} arrays")
    vector = _values(next(iter(record.values())))
    if vector.ndim != 1 or vector.dtype.kind != "f":
        raise ValueError(f"expected a vector of floats, got {vector.dtype} of shape {vector.shape}")
    return vector


def payload_bytes(record: ArrayRecord) -> int:
    """Bytes of the record's arrays as Flower serialises them; headers around them not counted."""
    return sum(map(array_bytes, record.values()))


def array_bytes(array: Array) -> int:
    """Bytes of one array as Flower serialises it; older apps do not say its shape and type."""
    if not isinstance(array, _LazyArray):
        return len(array.data)
    values = prod(array.shape) * np.dtype(array.dtype).itemsize
    return values + _header_bytes(array.dtype, array.shape)


def content_bytes(content: RecordDict) -> int:
    """Bytes of all the arrays in a message's content, as `payload_bytes` counts them."""
    records = (record for record in content.values() if isinstance(record, ArrayRecord))
    return sum(map(payload_bytes, records))


#: How NumPy's own format begins for a vector of floats; what follows are its values.
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(?s:..){'descr': '(?P<dtype>[<>]f[248])', 'fortran_order': False,"
    rb" 'shape': \((?P<size>\d+),\), } *\n"
)
_LONGEST_HEADER = 256


def _values(array: Array) -> Vector:
    """An Array's values; those of one that holds bytes are a view of them, not to be written to.

    Of bytes that came from elsewhere nothing is evaluated, whatever they are.
    """
    if isinstance(array, _LazyArray):
        return array.numpy()
    found = _HEADER.match(array.data[:_LONGEST_HEADER])
    if found is None:
        raise ValueError(f"expected a vector of floats, got {array.dtype} of shape {array.shape}")
    vector: Vector = np.frombuffer(
        array.data, found["dtype"].decode(), int(found["size"]), found.end()
    )
    return vector


def _serialise(vector: Vector) -> bytes:
    buffer = BytesIO()
    np.save(buffer, vector, allow_pickle=False)
    return buffer.getvalue()


@lru_cache(maxsize=16)
def _name(dtype: np.dtype[Any]) -> str:
    return str(dtype)  # NumPy puts it together anew each time


@lru_cache(maxsize=64)
def _header_bytes(dtype: str, shape: tuple[int, ...]) -> int:
    """What NumPy's file format puts before the values of such an array."""
    empty = np.lib.stride_tricks.as_strided(np.zeros(1, dtype), shape, (0,) * len(shape))
    header = BytesIO()
    np.lib.format.write_array_header_1_0(header, np.lib.format.header_data_from_array_1_0(empty))
    return len(header.getvalue())
