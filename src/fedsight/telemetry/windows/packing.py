"""Rows and windows as bytes, for dataClay: MessagePack around little-endian arrays."""

from __future__ import annotations

import msgspec
import numpy as np
from msgspec import Struct

from fedsight.telemetry.windows.frames import Rows
from fedsight.telemetry.windows.holding import Holding
from fedsight.telemetry.windows.slots import Kept


class _Rows(Struct, array_like=True):
    columns: list[str]
    times: bytes
    values: bytes


class _Window(Struct, array_like=True):
    rows: _Rows
    phase: int | None
    version: int
    written: int
    conflicting: int
    late: int
    ahead: int


def _packed(rows: Rows) -> _Rows:
    times, values = rows.times.astype("<i8"), rows.values.astype("<f8")
    return _Rows(list(rows.columns), times.tobytes(), values.tobytes())


def _unpacked(packed: _Rows) -> Rows:
    times = np.frombuffer(packed.times, "<i8").astype(np.int64)
    values = np.frombuffer(packed.values, "<f8").astype(np.float64)
    shaped = values.reshape(len(times), len(packed.columns))
    return Rows(times, tuple(packed.columns), shaped)


def pack_rows(rows: Rows) -> bytes:
    """Rows as bytes."""
    return msgspec.msgpack.encode(_packed(rows))


def unpack_rows(body: bytes) -> Rows:
    """The rows that `pack_rows` packed. Raises ValueError where it did not."""
    return _unpacked(msgspec.msgpack.decode(body, type=_Rows))


def pack(held: Holding) -> bytes:
    """A window and its account as bytes."""
    kept = held.kept
    counts = held.version, held.written, held.conflicting, held.late, held.ahead
    return msgspec.msgpack.encode(_Window(_packed(kept.rows), kept.phase, *counts))


def unpack(body: bytes) -> Holding:
    """The window that `pack` packed. Raises ValueError where it did not."""
    found = msgspec.msgpack.decode(body, type=_Window)
    kept = Kept(_unpacked(found.rows), found.phase)
    counts = found.version, found.written, found.conflicting, found.late, found.ahead
    return Holding(kept, *counts)
