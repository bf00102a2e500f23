"""Protobuf messages around one long field, as Flower's own classes read and write them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from flwr.proto.message_pb2 import PullObjectResponse, PushObjectRequest
from flwr.proto.node_pb2 import Node
from hypothesis import given
from hypothesis import strategies as some

from fedsight.federated.link.frames import content_of, content_of_parts, with_content

FIELD = PushObjectRequest.OBJECT_CONTENT_FIELD_NUMBER


def request(content: bytes) -> PushObjectRequest:
    return PushObjectRequest(
        node=Node(node_id=2**63 + 5),
        run_id=7,
        object_id="ab" * 32,
        object_content=content,
        session_id="a session",
    )


@given(some.lists(some.binary(max_size=300), min_size=1, max_size=4))
def test_what_is_put_in_is_what_flower_reads(pieces: list[bytes]) -> None:
    rest = request(b"").SerializeToString()
    found = PushObjectRequest.FromString(b"".join(with_content(rest, FIELD, pieces)))
    assert found == request(b"".join(pieces))


@given(some.binary(max_size=40_000))
def test_what_flower_writes_is_taken_out(content: bytes) -> None:
    rest, found = content_of(request(content).SerializeToString(), FIELD)
    assert bytes(found) == content
    assert PushObjectRequest.FromString(rest) == request(b"")


@given(some.binary(max_size=2000), some.lists(some.integers(0, 2200), max_size=6))
def test_however_a_message_is_parted(content: bytes, cuts: list[int]) -> None:
    whole = request(content).SerializeToString()
    ends = sorted({min(cut, len(whole)) for cut in cuts} | {0, len(whole)})
    parts = [whole[at:end] for at, end in pairwise(ends)]
    rest, found = content_of_parts(parts, FIELD)
    assert found == content
    assert PushObjectRequest.FromString(rest) == request(b"")


@pytest.mark.parametrize(
    "parts",
    [
        [b"\x22\x05ab", b"c"],  # shorter than it says
        [b"\x22\x01a", b"\x22\x01b"],  # twice
        [b"\x22\x01a", b"\xff"],  # a number without an end
    ],
)
def test_broken_parts_are_refused(parts: list[bytes]) -> None:
    with pytest.raises(ValueError, match=r"field|number"):
        content_of_parts(parts, FIELD)


def test_a_message_without_the_field_has_nothing_to_take_out() -> None:
    whole = PullObjectResponse(object_found=True).SerializeToString()
    rest, found = content_of(whole, PullObjectResponse.OBJECT_CONTENT_FIELD_NUMBER)
    assert (rest, bytes(found)) == (whole, b"")


@given(some.binary(max_size=200))
def test_anything_is_read_or_refused(message: bytes) -> None:
    try:
        rest, found = content_of(message, FIELD)
    except ValueError:
        return
    assert len(rest) + len(found) <= len(message)


@pytest.mark.parametrize(
    "message",
    [
        b"\x22\x05ab",  # shorter than it says
        b"\x22\x01a\x22\x01b",  # twice
        b"\x0f",  # no such kind of field
        b"\xff" * 11,  # a number without an end
    ],
)
def test_a_broken_message_is_refused(message: bytes) -> None:
    with pytest.raises(ValueError, match=r"field|number"):
        content_of(message, FIELD)
