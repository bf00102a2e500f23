import numpy as np
import pytest
from flwr.app import Array, ArrayRecord, RecordDict
from flwr.supercore.inflatable.inflatable_object import (
    get_all_nested_objects,
    get_object_type_from_object_content,
)

from fedsight.federated import codec

VECTOR = np.linspace(-1, 1, 1001, dtype=np.float32)


def test_a_vector_comes_back_without_being_copied() -> None:
    assert codec.unpack(codec.pack(VECTOR)) is VECTOR


def test_the_lazy_array_is_flowers_own_array_to_everyone_else() -> None:
    lazy, own = codec.pack(VECTOR)[codec.FLAT], Array(VECTOR)
    assert lazy.data == own.data
    assert (lazy.dtype, lazy.shape, lazy.stype) == (own.dtype, own.shape, own.stype)
    assert lazy.object_id == own.object_id
    assert get_object_type_from_object_content(lazy.deflate()) == "Array"


def test_a_record_survives_flowers_transport() -> None:
    sent = codec.pack(VECTOR)
    objects = get_all_nested_objects(sent)
    assert {type(found).__qualname__ for found in objects.values()} >= {"ArrayRecord", "Array"}
    content = {key: found.deflate() for key, found in objects.items()}
    children = {key: found for key, found in objects.items() if key != sent.object_id}
    received = ArrayRecord.inflate(content[sent.object_id], sent.children)
    assert children
    assert (codec.unpack(received) == VECTOR).all()


@pytest.mark.parametrize("size", [0, 1, 7, 52_138, 1_000_003])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_payload_bytes_are_what_flower_would_serialise(size: int, dtype: str) -> None:
    record = codec.pack(np.zeros(size, dtype))
    counted = codec.payload_bytes(record)
    assert counted == len(record[codec.FLAT].data) == len(Array(np.zeros(size, dtype)).data)


def test_payload_bytes_of_foreign_records_are_counted_too() -> None:
    record = ArrayRecord([np.zeros(3), np.zeros((2, 2))])
    assert codec.payload_bytes(record) == sum(len(array.data) for array in record.values())


@pytest.mark.parametrize(
    "record",
    [ArrayRecord([]), ArrayRecord([np.zeros(1), np.zeros(1)]), ArrayRecord([np.zeros((2, 2))])],
)
def test_what_is_not_one_flat_vector_is_refused(record: ArrayRecord) -> None:
    with pytest.raises(ValueError, match="expected"):
        codec.unpack(record)


def test_a_record_dict_takes_the_record() -> None:
    content = RecordDict({codec.ARRAYS: codec.pack(VECTOR)})
    assert codec.unpack(content[codec.ARRAYS]) is VECTOR  # type: ignore[arg-type]


def test_an_array_made_later_is_flowers_own_array_to_everyone_else() -> None:
    later = codec.pack_later(VECTOR.copy, len(VECTOR), VECTOR.dtype)[codec.FLAT]
    own = Array(VECTOR)
    assert later.data == own.data
    assert (later.dtype, later.shape, later.stype) == (own.dtype, own.shape, own.stype)
    assert later.object_id == own.object_id
    assert get_object_type_from_object_content(later.deflate()) == "Array"


def test_all_arrays_of_a_content_are_counted() -> None:
    content = RecordDict({"a": codec.pack(VECTOR), "b": ArrayRecord([np.zeros(3)])})
    assert codec.content_bytes(content) == 2 * 128 + VECTOR.nbytes + 24


@pytest.mark.parametrize("dtype", ["float32", "float64", ">f4", "float16"])
@pytest.mark.parametrize("size", [0, 1, 1001])
def test_bytes_are_read_where_they_lie(size: int, dtype: str) -> None:
    vector = np.arange(size).astype(dtype)
    found = codec.unpack(ArrayRecord({codec.FLAT: Array(vector)}))
    assert found.dtype == vector.dtype
    assert np.array_equal(found, vector)
    assert not found.flags.writeable


def damaged(data: bytes) -> ArrayRecord:
    return ArrayRecord({codec.FLAT: Array("float32", (1001,), "numpy.ndarray", data)})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not an array at all",
        Array(VECTOR).data[:4000],
        Array(VECTOR).data[:60],
        Array(VECTOR).data.replace(b"(1001,)", b"(-1001,"),
        Array(VECTOR).data.replace(b"'<f4'", b"'|O' "),
    ],
)
def test_damaged_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        codec.unpack(damaged(data))
