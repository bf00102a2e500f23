"""The one long field of a protobuf message put in and taken out without copying it.

Wire format: https://protobuf.dev/programming-guides/encoding/. Fields may come in any order, so the
long one is put behind a message that was serialised without it.
"""

from __future__ import annotations

from collections.abc import Sequence

Piece = bytes | memoryview

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10


def with_content(rest: bytes, field: int, content: Sequence[Piece]) -> list[Piece]:
    """The pieces of a message: what was serialised of it, and `content` as its bytes field."""
    size = sum(map(len, content))
    return [rest + _varint(field << 3 | _BYTES) + _varint(size), *content]


def content_of(message: bytes, field: int) -> tuple[bytes, memoryview]:
    """A message without its bytes field of that number, and that field; empty where it has none.

    Raises ValueError where it is no protobuf message, or has the field twice.
    """
    view, at, found = memoryview(message), 0, None
    while at < len(message):
        began = at
        tag, at = _read_varint(message, at)
        start, at = _skipped(message, at, tag & 7)
        if at > len(message):
            raise ValueError("a field is longer than the message")
        if tag == field << 3 | _BYTES:
            if found is not None:
                raise ValueError(f"field {field} stands there twice")
            found = began, start, at
    if found is None:
        return message, memoryview(b"")
    began, start, end = found
    return message[:began] + message[end:], view[start:end]


def content_of_parts(parts: Sequence[bytes], field: int) -> tuple[bytes, bytes]:
    """As `content_of`, of a message that came in parts; its field is put together in one copy.

    Raises ValueError as well.
    """
    found = None if len(parts) < 2 else _beginning(parts[0], field)
    if found is None:
        rest, content = content_of(b"".join(parts), field)
        return rest, bytes(content)
    began, start, end = found
    pieces, tail, at = [], [], 0
    for part in parts:
        view = memoryview(part)
        pieces.append(view[max(0, start - at) : max(0, end - at)])
        tail.append(view[max(0, end - at) :])
        at += len(part)
    if end > at:
        raise ValueError("a field is longer than the message")
    rest = parts[0][:began] + b"".join(tail)
    if len(content_of(rest, field)[0]) != len(rest):
        raise ValueError(f"field {field} stands there twice")
    return rest, b"".join(pieces)


def _beginning(head: bytes, field: int) -> tuple[int, int, int] | None:
    """Where the field's tag stands and its value begins and ends, if it begins in `head`."""
    at = 0
    try:
        while at < len(head):
            began = at
            tag, at = _read_varint(head, at)
            start, at = _skipped(head, at, tag & 7)
            if tag == field << 3 | _BYTES:
                return began, start, at
    except ValueError:
        return None  # the head ends before a number does
    return None


def _skipped(message: bytes, at: int, kind: int) -> tuple[int, int]:
    """Where a field's value begins and ends."""
    if kind == _VARINT:
        return at, _read_varint(message, at)[1]
    if kind == _BYTES:
        size, start = _read_varint(message, at)
        return start, start + size
    if kind in (_FIXED32, _FIXED64):
        return at, at + (4 if kind == _FIXED32 else 8)
    raise ValueError(f"no field is of kind {kind}")


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(message[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    raise ValueError("a number does not end")
