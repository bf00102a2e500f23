"""Flower's objects of a message: taken apart to be sent, put together when they have come.

Flower copies an array six times on its way out and six on its way in, and hashes it twice. Here
its chunks are slices of the array's own memory, hashed where they lie, and an answer's array is
put together in one copy. What is sent is what Flower would send, so that its own nodes read it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any, cast

import numpy as np
from flwr.app import Array, ArrayRecord, Message
from flwr.app.message.arraychunk import ArrayChunk
from flwr.common.constant import FLWR_PRIVATE_MAX_ARRAY_CHUNK_SIZE as CHUNK_BYTES
from flwr.common.constant import SType
from flwr.proto.message_pb2 import ObjectTree
from flwr.supercore.constant import HEAD_BODY_DIVIDER, HEAD_VALUE_DIVIDER
from flwr.supercore.inflatable.inflatable_object import (
    InflatableObject,
    get_all_nested_objects,
    get_object_tree,
    no_object_id_recompute,
)
from flwr.supercore.inflatable.inflatable_utils import inflate_object_from_contents
from numpy.typing import NDArray

from fedsight.federated import codec
from fedsight.federated.link.frames import Piece

Pieces = tuple[Piece, ...]


@dataclass(frozen=True)
class TakenApart:
    """A message's id, the tree of its objects' ids, and what each consists of."""

    message_id: str
    tree: ObjectTree
    objects: Mapping[str, Pieces]


class _Chunk(ArrayChunk):
    """A slice of an array where it lies, with its hash."""

    def __init__(self, data: memoryview) -> None:
        super().__init__(data)
        head = f"ArrayChunk{HEAD_VALUE_DIVIDER}{HEAD_VALUE_DIVIDER}{len(data)}"
        self.head = head.encode() + HEAD_BODY_DIVIDER
        digest = hashlib.sha256(self.head)
        digest.update(data)
        self._id = digest.hexdigest()

    @property
    def object_id(self) -> str:
        return self._id

    def pieces(self) -> Pieces:
        return self.head, self.data


def taken_apart(messages: Sequence[Message]) -> list[TakenApart]:
    """Messages ready to be sent, in order; what they share is hashed once.

    Sets each message's id. The arrays may not change until they are sent.
    """
    with _sliced(messages), no_object_id_recompute():
        return [_taken_apart(message) for message in messages]


def _taken_apart(message: Message) -> TakenApart:
    message.metadata.__dict__["_message_id"] = message_id = message.object_id
    objects = {each: _pieces(held) for each, held in get_all_nested_objects(message).items()}
    return TakenApart(message_id, get_object_tree(message), objects)


def _pieces(held: InflatableObject) -> Pieces:
    return held.pieces() if isinstance(held, _Chunk) else (held.deflate(),)


@contextmanager
def _sliced(messages: Sequence[Message]) -> Iterator[None]:
    """Within it arrays give out slices of their own memory as their chunks."""
    arrays = {id(each): each for message in messages for each in arrays_of(message)}
    for array in arrays.values():
        chunks = [_Chunk(part) for part in _parts(array)]
        array.__dict__["_chunks"] = [(chunk.object_id, chunk) for chunk in chunks]
        array.is_dirty = True  # it may have changed in place since its own hash was made
    try:
        yield
    finally:
        for array in arrays.values():
            del array.__dict__["_chunks"]


def arrays_of(message: Message) -> Iterator[Array]:
    """Every array in a message's content."""
    if message.has_content():
        for record in message.content.values():
            if isinstance(record, ArrayRecord):
                yield from record.values()


def _parts(array: Array) -> Iterator[memoryview]:
    """The bytes of an array in NumPy's file format, in slices; the format's head is one."""
    values = codec.kept(array)
    if values is None or not values.flags.c_contiguous:
        body = memoryview(array.data)
    else:
        head = BytesIO()
        np.lib.format.write_array_header_1_0(head, np.lib.format.header_data_from_array_1_0(values))
        yield memoryview(np.lib.format.magic(1, 0) + head.getvalue()[_MAGIC:])
        body = _memory(values).cast("B")
    for start in range(0, len(body), CHUNK_BYTES):
        yield body[start : start + CHUNK_BYTES]


_MAGIC = np.lib.format.MAGIC_LEN


def put_together(message_id: str, contents: Mapping[str, Piece]) -> Message:
    """The message that these objects make, its arrays in memory of their own.

    Raises ValueError, KeyError or TypeError where they make none.
    """
    arrays: dict[str, InflatableObject] = {}
    others: dict[str, bytes] = {}
    for object_id, content in contents.items():
        kind = bytes(content[:16]).partition(HEAD_VALUE_DIVIDER.encode())[0]
        if kind == b"ArrayChunk":
            continue
        others[object_id] = whole = bytes(content)
        if kind == b"Array":
            found = _array(whole, contents)
            if found is not None:
                arrays[object_id] = found
    missing = contents.keys() - others.keys()
    if len(arrays) < sum(each.startswith(b"Array ") for each in others.values()):
        others |= {each: bytes(contents[each]) for each in missing}
    message: Any = inflate_object_from_contents(message_id, others, objects=arrays)
    message.metadata.__dict__["_message_id"] = message_id
    return cast(Message, message)


def _array(whole: bytes, contents: Mapping[str, Piece]) -> Array | None:
    """An array from its chunks; None where it is not of the kind that we put together."""
    head, _, body = whole.partition(HEAD_BODY_DIVIDER)
    children = head.decode().split(HEAD_VALUE_DIVIDER)[1].split(",")
    told: dict[str, Any] = json.loads(body)
    if told["stype"] != SType.NUMPY:
        return None
    chunks = [_body(contents[children[at]]) for at in told["arraychunk_ids"]]
    if not chunks:
        return None
    return _read(chunks)


def _read(chunks: list[memoryview]) -> Array | None:
    first = BytesIO(chunks[0][:_MOST_HEAD])
    if np.lib.format.read_magic(first) != (1, 0):
        return None
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(first)
    if fortran or dtype.kind not in _NUMBERS:
        return None
    chunks[0] = chunks[0][first.tell() :]
    size = sum(map(len, chunks))
    values = np.empty(shape, dtype) if bytes_of(shape, dtype) == size else None
    if values is None:
        raise ValueError(f"an array of shape {shape} and type {dtype} has not {size} bytes")
    target, at = _memory(values).cast("B"), 0
    for chunk in chunks:
        target[at : at + len(chunk)] = chunk
        at += len(chunk)
    return codec.lazy(values)


#: Kinds of NumPy's types whose arrays we put together: truth values and numbers.
_NUMBERS = "biufc"
#: NumPy refuses longer heads itself.
_MOST_HEAD = 16_384


def bytes_of(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Bytes of an array's values."""
    size = dtype.itemsize
    for length in shape:
        size *= length
    return size


def _memory(values: NDArray[Any]) -> memoryview:
    flat: Any = values.reshape(-1)
    return memoryview(flat)


def _body(chunk: Piece) -> memoryview:
    view = memoryview(chunk)
    head = bytes(view[:64]).partition(HEAD_BODY_DIVIDER)[0]
    return view[len(head) + 1 :]
