"""Many lines of one layout at once: their fields become one JSON array, read without a loop.

Most bodies of line protocol hold lines with the same fields in the same order, without quotes,
escapes or comments. Such lines are split at their blanks in one go; each key is replaced by a code,
what then remains but digits must be exactly the codes in order, and the numbers between them are
read as `NumberReader` reads JSON. All else is left to `exact_lines`. Nothing is taken here that the
exact way would refuse or read otherwise (tests compare the two).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.taking.numbers import NumberReader

#: What would need the whole grammar, and blanks that are none in it.
SPECIAL = (b"\\", b'"', b"\t", b"\r", b"#", b"\v", b"\f")
#: All that parts neither lines nor what stands in them.
NO_MARKS = bytes(set(range(256)) - set(b" \n"))
NUMBER = b"0123456789.+-eEi"
FIRST_CODE = 128
MOST_KEYS = 100
#: A whole number whose text is no whole number's.
BAD_WHOLE = re.compile(rb"[.eE][0-9+-]*i")
PLAIN = b"0123456789.+-"
LETTERS = re.compile(rb"[A-Za-z_]+")
_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_="
BLANKS = bytes.maketrans(_LETTERS, b" " * len(_LETTERS))
WHOLE_BOUND = float(2**63)


class Table(NamedTuple):
    """Lines as columns; `time` is None where none of them has one."""

    heads: list[bytes]
    fields: list[bytes]
    time: NDArray[np.int64] | None


def split(text: bytes, lines: int, numbers: NumberReader) -> Table | None:
    """Lines parted at their blanks; None where they are not all `head fields[ time]`."""
    if any(mark in text for mark in SPECIAL):
        return None
    # Each line on its own: an empty one beside one with blanks to spare must not pass for two.
    marks = text.translate(None, NO_MARKS) + b"\n"
    parts = text.split()
    if marks == b" \n" * lines and len(parts) == 2 * lines:
        return Table(parts[0::2], parts[1::2], None)
    if marks != b"  \n" * lines or len(parts) != 3 * lines:
        return None
    time = numbers.whole(b"[" + b",".join(parts[2::3]) + b"]")
    if time is None or time.size != lines:
        return None
    return Table(parts[0::3], parts[1::3], time)


def keys_of(fields: bytes) -> tuple[bytes, ...] | None:
    """The keys of a line's fields; None where they need the whole grammar."""
    parts = [part.split(b"=") for part in fields.split(b",")]
    keys = tuple(part[0] for part in parts)
    good = all(len(part) == 2 and part[0] for part in parts)
    fits = len(keys) <= MOST_KEYS and len(set(keys)) == len(keys)
    return keys if good and fits and fields.isascii() else None


def layouts(fields: list[bytes]) -> Iterator[NDArray[np.int64]]:
    """Parts lines by what of their fields is no digit: all of one layout look alike so."""
    groups: dict[bytes, list[int]] = {}
    for at, text in enumerate(fields):
        groups.setdefault(text.translate(None, NUMBER), []).append(at)
    yield from (np.array(group, np.int64) for group in groups.values())


def values_of(
    fields: list[bytes], keys: tuple[bytes, ...], numbers: NumberReader
) -> NDArray[np.float64] | None:
    """A row of values for each line; None where not all have these keys, in order, and numbers."""
    text = b"," + b",".join(fields)
    array = _blanked(text, fields[0], keys, len(fields))
    if array is None:
        array = _coded(text, keys, len(fields))
    if array is None:
        return None
    found = numbers.real(b"[" + array[1:] + b"]")
    if found is None or found.size != len(keys) * len(fields):
        return None
    if np.abs(found).max() >= WHOLE_BOUND and b"i" in text:
        return None
    return found.reshape(len(fields), len(keys))


def _blanked(text: bytes, first: bytes, keys: tuple[bytes, ...], lines: int) -> bytes | None:
    """The numbers parted by commas, where no key has a digit and no number an exponent: keys are
    then turned into blanks, which is the fastest."""
    if not all(LETTERS.fullmatch(key) for key in keys):
        return None
    wholes = tuple(part.endswith(b"i") for part in first.split(b","))
    parts = (b"," + key + b"=" + b"i" * whole for key, whole in zip(keys, wholes, strict=True))
    if text.translate(None, PLAIN) != b"".join(parts) * lines:
        return None
    if any(wholes) and _no_whole(keys, wholes).search(text):
        return None
    return text.translate(BLANKS)


@lru_cache(256)
def _no_whole(keys: tuple[bytes, ...], wholes: tuple[bool, ...]) -> re.Pattern[bytes]:
    """Where the value of a whole key is anything but digits, signs and an `i` at its end."""
    named = b"|".join(re.escape(key) for key, whole in zip(keys, wholes, strict=True) if whole)
    return re.compile(b",(?:" + named + rb")=(?![0-9+-]+i(?:,|\Z))")


def _coded(text: bytes, keys: tuple[bytes, ...], lines: int) -> bytes | None:
    """The numbers parted by commas: each key is replaced by a code of its own."""
    if not text.isascii():
        return None
    codes = bytes(range(FIRST_CODE, FIRST_CODE + len(keys)))
    for key, code in zip(keys, codes, strict=True):
        text = text.replace(b"," + key + b"=", bytes([code]))
    if text.translate(None, NUMBER) != codes * lines:
        return None
    whole = text.count(b"i")
    if whole:
        ending = sum(text.count(b"i" + bytes([code])) for code in codes) + text.endswith(b"i")
        if ending != whole or BAD_WHOLE.search(text):
            return None
    return text.translate(bytes.maketrans(codes, b"," * len(codes)), b"i")
