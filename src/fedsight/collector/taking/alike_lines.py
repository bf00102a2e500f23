"""Lines that all look alike, read as columns without an object for each of them.

Most bodies of line protocol are written by one program: each line has the same fields in the
same order, without quotes, escapes or comments. Then the marks that part its pieces (equals sign,
blank, line break) stand in the same order in every line, and one comparison of all marks shows it.
Keys are compared sixteen bytes at a time; values are copied into cells of one width, which together
are a JSON array for `NumberReader`. Nothing is taken here that the exact way would refuse or read
otherwise (tests compare the two); all else is left to `line_table`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.taking.numbers import NumberReader

Places = NDArray[np.int64]
#: Texts of one length each, a row of 64-bit words for each of them; blank bytes are zero.
Cells = NDArray[np.uint64]

#: What would need the whole grammar.
SPECIAL = (b"\\", b'"', b"#")
#: The marks of a line: those of its tags, of its fields, and the blank before its time.
LAYOUT = re.compile(rb"(=*) (=+)( ?)\n")
MOST_MARKS = 256
#: Bytes of a head, of a key with its comma, and of a number at most.
LONGEST_HEAD, LONGEST_KEY, LONGEST_NUMBER = 128, 64, 31
#: What stands before and after the text, so that pieces may be read beyond its ends.
PAD = bytes(128)
#: Bytes of texts that are read at once, and what keeps so many of the first or the last of them.
AT_ONCE = 16
FIRST = np.tri(AT_ONCE + 1, AT_ONCE, -1, np.uint8).view("<u8") * np.uint64(255)
LAST = np.tri(AT_ONCE + 1, AT_ONCE, -1, np.uint8)[:, ::-1].copy().view("<u8") * np.uint64(255)
#: Bytes of a number that are read at once: most have few.
WORD = 8
LAST_OF_WORD = LAST[: WORD + 1, 1].copy()
BLANKS = np.uint64(0x2020202020202020)
COMMA, WHOLE = ord(","), ord("i")


class Alike(NamedTuple):
    """Lines as columns: `values` has a row for each key; `time` is None where none has one."""

    heads: Cells
    keys: tuple[bytes, ...]
    values: NDArray[np.float64]
    time: NDArray[np.int64] | None


def alike(text: bytes, numbers: NumberReader) -> Alike | None:
    """All lines of a body without its last line break; None where they are not all alike."""
    if any(mark in text for mark in SPECIAL):
        return None
    padded = _Padded(text)
    marks = padded.marks()
    layout = LAYOUT.match(padded.bytes.take(marks[:MOST_MARKS]).tobytes())
    if layout is None or marks.size % layout.end():
        return None
    at = np.ascontiguousarray(marks.reshape(-1, layout.end()).T)
    of_first = np.frombuffer(layout[0], np.uint8)
    if (of_first != padded.bytes.take(at).T).any():
        return None
    tags, fields = len(layout[1]), len(layout[2])
    equals = at[tags + 1 : tags + 1 + fields]
    keys = padded.keys(int(at[tags, 0]), equals)
    heads = padded.cells(np.concatenate([[len(PAD)], at[-1, :-1] + 1]), at[tags])
    if keys is None or heads is None:
        return None
    end = at[tags + 2 : tags + 2 + fields].copy()
    end[:-1] -= np.array([[len(key) + 1] for key in keys[1:]], np.int64).reshape(-1, 1)
    values = _values(padded, equals + 1, end, numbers)
    if values is None or not layout[3]:
        return None if values is None else Alike(heads, keys, values, None)
    time = _whole(padded, at[-2] + 1, at[-1], numbers)
    return None if time is None else Alike(heads, keys, values, time)


def _values(
    padded: _Padded, begin: Places, end: Places, numbers: NumberReader
) -> NDArray[np.float64] | None:
    """A row for each field; one is of whole numbers where its first number ends so."""
    found = np.empty(begin.shape, np.float64)
    whole = padded.bytes.take(end[:, 0] - 1) == WHOLE
    for at in np.flatnonzero(whole):
        row = None
        if (padded.bytes.take(end[at] - 1) == WHOLE).all():
            row = _whole(padded, begin[at], end[at] - 1, numbers)
        if row is None:
            return None
        found[at] = row
    if whole.all():
        return found
    begin, end = begin[~whole], end[~whole]
    array = padded.array(begin.reshape(-1), end.reshape(-1))
    real = None if array is None else numbers.real(array)
    if real is None or real.size != begin.size:
        return None
    found[~whole] = real.reshape(begin.shape)
    return found


def _whole(
    padded: _Padded, begin: Places, end: Places, numbers: NumberReader
) -> NDArray[np.int64] | None:
    array = padded.array(begin, end)
    found = None if array is None else numbers.whole(array)
    return None if found is None or found.size != begin.size else found


class _Padded:
    """A text with its last line break, as bytes and as the sixteen bytes from each of them on."""

    def __init__(self, text: bytes) -> None:
        self._text = b"".join((PAD, text, b"\n", PAD))
        self.bytes = np.frombuffer(self._text, np.uint8)
        shape = (self.bytes.size - AT_ONCE + 1,)
        self._from = np.ndarray(shape, f"V{AT_ONCE}", self._text, strides=(1,))
        self._words = np.ndarray(shape, "<u8", self._text, strides=(1,))

    def marks(self) -> Places:
        """Where a mark stands; control characters, which none is, count as such."""
        text = self.bytes[len(PAD) : -len(PAD)]
        found = text <= ord(" ")
        found |= text == ord("=")
        places = np.flatnonzero(found)
        places += len(PAD)
        return places

    def words(self, places: Places) -> Cells:
        """The bytes from each of the places on, as two words each."""
        return self._from[places].view("<u8").reshape(-1, 2)

    def keys(self, blank: int, equals: Places) -> tuple[bytes, ...] | None:
        """The key before each equals sign, where those of all lines are the first one's, and ASCII;
        `blank` stands before the first line's first."""
        keys = []
        before = blank + 1
        for at, end in enumerate(equals[:, 0].tolist()):
            key = self._text[before:end].rpartition(b",")[2] if at else self._text[before:end]
            keys.append(key)
            before = end + 1
        joined = b"".join(keys)
        if len(set(keys)) != len(keys) or not joined.isascii() or b"," in joined:
            return None
        lengths = [len(key) + 1 for key in keys]
        if min(lengths) < 2 or max(lengths) > LONGEST_KEY:
            return None
        alike = all(self._same(end, n) for end, n in zip(equals, lengths, strict=True))
        return tuple(keys) if alike else None

    def _same(self, end: Places, length: int) -> bool:
        """Whether so many bytes before each of the places are those before the first."""
        for back in range(AT_ONCE, length + AT_ONCE, AT_ONCE):
            words = self.words(end - back) & LAST[min(length - back + AT_ONCE, AT_ONCE)]
            if (words != words[0]).any():
                return False
        return True

    def cells(self, begin: Places, end: Places) -> Cells | None:
        """The text between each two places; None where one is empty or long."""
        length = end - begin
        if length.min() < 1 or length.max() > LONGEST_HEAD:
            return None
        wide = -(-int(length.max()) // AT_ONCE)
        cells = np.empty((begin.size, wide, 2), "<u8")
        for at in range(wide):
            kept = FIRST.take(_bounded(length - AT_ONCE * at, AT_ONCE), axis=0)
            cells[:, at] = self.words(begin + AT_ONCE * at) & kept
        return cells.reshape(-1, 2 * wide)

    def array(self, begin: Places, end: Places) -> bytes | None:
        """A JSON array of what stands between each two places; None where one is empty or long."""
        length = end - begin
        if length.min() < 1 or length.max() > LONGEST_NUMBER:
            return None
        wide = int(length.max()) // WORD + 1
        cells = np.empty((begin.size, wide), "<u8")
        for at in range(wide):
            kept = LAST_OF_WORD.take(_bounded(length - WORD * at, WORD))
            words = self._words[end - WORD * (at + 1)]
            cells[:, wide - 1 - at] = (words & kept) | (BLANKS & ~kept)
        letters = cells.view(np.uint8)
        letters[:, 0] = COMMA
        letters[0, 0] = ord("[")
        return letters.tobytes() + b"]"


def _bounded(length: Places, most: int) -> Places:
    return np.minimum(np.maximum(length, 0), most)
