"""Messages taken apart and put together, by us and by Flower."""

from __future__ import annotations

import hashlib
from typing import cast

import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MetricRecord, RecordDict
from flwr.supercore.inflatable.inflatable_object import iterate_object_tree
from flwr.supercore.inflatable.inflatable_utils import (
    inflate_object_from_contents,
    validate_object_content,
)
from flwr.supercore.task_identity import TaskIdentity
from numpy.typing import NDArray

from fedsight.federated import codec
from fedsight.federated.link.objects import TakenApart, put_together, taken_apart

ARRAYS: list[NDArray[np.generic]] = [
    np.arange(3_000_000, dtype=np.float32),
    np.arange(7, dtype=np.float64).reshape(7, 1),
    np.array(4.5, np.float32),
    np.zeros(0, np.float32),
    np.arange(6, dtype=np.int64).reshape(2, 3)[:, ::2],
    np.zeros((3, 5), np.float16, order="F"),
    np.array([True, False]),
]


@pytest.fixture(autouse=True)
def identity() -> None:
    TaskIdentity.run_id, TaskIdentity.node_id, TaskIdentity.task_id = 5, 1, 9


def message(record: ArrayRecord) -> Message:
    content = RecordDict({"arrays": record, "config": ConfigRecord({"server-round": 3})})
    content["metrics"] = MetricRecord({"loss": 0.5})
    return Message(content, 77, "train")


def contents(parcel: TakenApart) -> dict[str, bytes]:
    return {key: b"".join(pieces) for key, pieces in parcel.objects.items()}


def values(found: Message) -> list[NDArray[np.generic]]:
    return [each.numpy() for each in cast(ArrayRecord, found.content["arrays"]).values()]


def check(parcel: TakenApart) -> None:
    """As a SuperLink checks it."""
    held = contents(parcel)
    for key, content in held.items():
        assert hashlib.sha256(content).hexdigest() == key
        validate_object_content(content)
    assert {each.object_id for each in iterate_object_tree(parcel.tree)} == held.keys()
    assert parcel.tree.object_id == parcel.message_id


@pytest.mark.parametrize("lazy", [True, False])
def test_flower_reads_what_we_take_apart(lazy: bool) -> None:
    record = ArrayRecord()
    for at, array in enumerate(ARRAYS):
        record[str(at)] = codec.lazy(array) if lazy else Array(array)
    (parcel,) = taken_apart([message(record)])
    check(parcel)
    found = cast(Message, inflate_object_from_contents(parcel.message_id, contents(parcel)))
    for got, array in zip(values(found), ARRAYS, strict=True):
        np.testing.assert_array_equal(got, array)
    assert found.content["config"] == ConfigRecord({"server-round": 3})
    assert found.metadata.dst_node_id == 77


@pytest.mark.parametrize("lazy", [True, False])
def test_we_put_together_what_was_taken_apart(lazy: bool) -> None:
    record = ArrayRecord()
    for at, array in enumerate(ARRAYS):
        record[str(at)] = codec.lazy(array) if lazy else Array(array)
    (parcel,) = taken_apart([message(record)])
    found = put_together(parcel.message_id, contents(parcel))
    for got, array in zip(values(found), ARRAYS, strict=True):
        assert got.dtype == array.dtype
        np.testing.assert_array_equal(got, array)
    assert found.metadata.message_id == parcel.message_id
    assert found.content["metrics"] == MetricRecord({"loss": 0.5})


def test_what_messages_share_is_one_object() -> None:
    record = codec.pack(np.ones(2_000_000, np.float32))
    parcels = taken_apart([message(record), message(record)])
    assert parcels[0].message_id != parcels[1].message_id
    large = [
        {key for key, pieces in parcel.objects.items() if sum(map(len, pieces)) > 1e6}
        for parcel in parcels
    ]
    assert len(large[0]) == 2  # chunks of 8 MB
    assert large[0] == large[1]


def test_an_array_that_changed_is_hashed_anew() -> None:
    vector = np.zeros(10, np.float32)
    record = codec.pack(vector)
    (before,) = taken_apart([message(record)])
    vector += 1
    (after,) = taken_apart([message(record)])
    check(after)
    assert before.tree.children[0].object_id != after.tree.children[0].object_id
    found = put_together(after.message_id, contents(after))
    assert np.array_equal(values(found)[0], vector)


def test_an_array_of_another_size_than_it_says_is_refused() -> None:
    (parcel,) = taken_apart([message(codec.pack(np.arange(1000, dtype=np.float32)))])
    held = contents(parcel)
    chunk = next(key for key, content in held.items() if content.startswith(b"ArrayChunk  4000"))
    held[chunk] = b"ArrayChunk  8\x00" + bytes(8)
    with pytest.raises(ValueError, match="has not 8 bytes"):
        put_together(parcel.message_id, held)


def test_python_objects_in_an_array_are_refused() -> None:
    (parcel,) = taken_apart([message(codec.pack(np.arange(4, dtype=np.float32)))])
    held = contents(parcel)
    head = next(key for key, content in held.items() if b"'descr': '<f4'" in content)
    held[head] = held[head].replace(b"'<f4'", b"'|O' ")
    found = put_together(parcel.message_id, held)
    with pytest.raises(ValueError, match="allow_pickle"):
        values(found)


def test_an_array_of_records_is_put_together_and_is_no_model() -> None:
    array = Array(np.zeros(3, np.dtype([("a", "<f4"), ("b", "<f4")])))
    (parcel,) = taken_apart([message(ArrayRecord({"flat": array}))])
    record = cast(ArrayRecord, put_together(parcel.message_id, contents(parcel)).content["arrays"])
    assert codec.payload_bytes(record) == len(array.data)
    with pytest.raises(ValueError, match="expected a vector of floats"):
        codec.unpack(record)


def test_a_part_that_is_missing_is_refused() -> None:
    (parcel,) = taken_apart([message(codec.pack(np.arange(4, dtype=np.float32)))])
    held = contents(parcel)
    del held[next(key for key, content in held.items() if content.startswith(b"ArrayChunk"))]
    with pytest.raises(KeyError):
        put_together(parcel.message_id, held)
