"""Prometheus's remote write: a protobuf message in snappy, version 0.1.0 of its specification.

https://prometheus.io/docs/specs/prw/remote_write_spec/
"""

from __future__ import annotations

import numpy as np

from benchmarks.collector_load import Piece, series_of

HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
#: Bytes of a time in ms of our days as a varint.
TIME_BYTES = 6
LITERAL_BYTES = 65_536


def write_request(piece: Piece) -> bytes:
    """`WriteRequest` of all samples of a piece, without their rounds."""
    times = np.array(piece.times(), np.int64)
    shifts = 7 * np.arange(TIME_BYTES)
    varints = ((times[:, None] >> shifts) & 0x7F).astype(np.uint8)
    varints[:, :-1] |= 0x80
    series = []
    for name, values in series_of(piece):
        samples = np.empty((len(values), 2 + 9 + 1 + TIME_BYTES), np.uint8)
        samples[:, 0], samples[:, 1], samples[:, 2] = 0x12, samples.shape[1] - 2, 0x09
        samples[:, 3:11] = values.astype("<f8").view(np.uint8).reshape(-1, 8)
        samples[:, 11], samples[:, 12:] = 0x10, varints
        labels = b"".join(_field(1, _label(key, name[key])) for key in sorted(name))
        series.append(_field(1, labels + samples.tobytes()))
    return snappy(b"".join(series))


def _label(key: str, value: str) -> bytes:
    return _field(1, key.encode()) + _field(2, value.encode())


def _field(number: int, content: bytes) -> bytes:
    """A field of bytes. https://protobuf.dev/programming-guides/encoding/"""
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def snappy(content: bytes) -> bytes:
    """The block format with nothing compressed: every decoder takes it, and none is needed here.

    https://github.com/google/snappy/blob/main/format_description.txt
    """
    parts = [_varint(len(content))]
    for begin in range(0, len(content), LITERAL_BYTES):
        part = content[begin : begin + LITERAL_BYTES]
        parts.append(bytes([61 << 2]) + (len(part) - 1).to_bytes(2, "little") + part)
    return b"".join(parts)
