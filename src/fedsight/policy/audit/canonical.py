"""Canonical JSON (RFC 8785): equal contents, equal bytes, whoever writes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
import rfc8785

#: RFC 8785 writes numbers as JavaScript does: whole ones are exact up to here.
_LARGEST = 2**53 - 1
_MOST_DEPTH = 32
#: Made once: `list | tuple` in the place is made anew each time.
_LISTS = (list, tuple)
_AS_IT_IS = frozenset({bool, type(None)})


_encode = msgspec.json.Encoder(order="sorted").encode
#: Numbers that msgspec may write otherwise than RFC 8785 wants, or that this has none for: floats
#: that are whole, tiny or have an exponent, and whole numbers with more than 15 digits.
_ODD = rb"-?(?:[0-9]{16}|[0-9]+(?:\.0[,}\]]|\.00000|(?:\.[0-9]+)?e))"
#: One each for where a number can stand: a search for one letter first is a third of the time.
_ODD_NUMBERS = tuple(re.compile(before + _ODD).search for before in (rb":", rb",", rb"\["))
#: Letters beyond U+FFFF, which sort otherwise in UTF-16.
_FAR = re.compile(rb"[\xf0-\xf4]").search


def dumps(value: Any) -> bytes:
    """The canonical bytes of a JSON value made by `plain`. Raises ValueError.

    msgspec writes the same bytes as rfc8785, which is of pure Python, but for what `_ODD` and
    `_FAR` are. A text that looks like one of these is found, too: it costs time alone.
    """
    written = _encode(value)
    number, item, first = _ODD_NUMBERS
    odd = number(written) or item(written) or first(written) or written[:1] in b"-0123456789"
    if odd or not (written.isascii() or _FAR(written) is None):
        return rfc8785.dumps(value)
    return written


def plain(value: Any, depth: int = 0) -> Any:
    """A value as canonical JSON can hold it, whatever it is: nothing that was asked is left out.

    What JSON has no form for becomes an object with one key: `{"$int": "9007199254740993"}`,
    `{"$float": "nan"}`, `{"$text": …}` for a text that is no Unicode, `{"$other": …}`. A float that
    is whole becomes the whole number as which it is written and read again.
    """
    kind = type(value)
    if kind is str and value.isascii():
        return value
    if kind is bool or value is None:
        return value
    if kind is int:
        return value if -_LARGEST <= value <= _LARGEST else {"$int": _digits(value)}
    if kind is float:
        return _number(value)
    if kind is dict and depth < _MOST_DEPTH:
        return _members(value, depth + 1)
    if not value and kind in _LISTS and depth < _MOST_DEPTH:
        return []
    return _told(value, depth)


def _told(value: Any, depth: int) -> Any:
    """The same of what is rarer."""
    if isinstance(value, int):
        return value if -_LARGEST <= value <= _LARGEST else {"$int": _digits(value)}
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, str):
        return value if _is_text(value) else {"$text": ascii(value)}
    if depth >= _MOST_DEPTH:
        return {"$other": "nested too deep"}
    if isinstance(value, msgspec.Struct):
        return _members(msgspec.structs.asdict(value), depth + 1)
    if isinstance(value, _LISTS):
        return [plain(one, depth + 1) for one in value]
    if isinstance(value, Mapping):
        return _members(value, depth + 1)
    if isinstance(value, set | frozenset):
        return [plain(one, depth + 1) for one in sorted(value, key=_place)]
    return {"$other": ascii(value)[:200]}


def _members(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    return {
        key if type(key) is str and key.isascii() else _key(key): one
        if (kind := type(one)) in _AS_IT_IS or (kind is str and one.isascii())
        else plain(one, depth)
        for key, one in value.items()
    }


def _place(value: Any) -> str:
    """Where it stands in a set that was made a list."""
    told = plain(value)
    return repr(value if isinstance(value, float) and isinstance(told, int) else told)


def _number(value: float) -> Any:
    if not -_LARGEST <= value <= _LARGEST:
        return {"$float": repr(value)}
    return int(value) if value.is_integer() else float(value)


def restored(value: Any) -> Any:
    """What `plain` was given, as far as canonical JSON tells: the inverse but for other kinds."""
    if isinstance(value, list):
        return [restored(one) for one in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((key, one),) = value.items()
        if key == "$int" and isinstance(one, str) and one.lstrip("-").isdigit():
            return int(one) if len(one) < 4000 else value
        if key == "$float" and isinstance(one, str):
            return _float(one)
    return {key: restored(one) for key, one in value.items()}


def _float(written: str) -> Any:
    try:
        return float(written)
    except ValueError:
        return written


def _digits(value: int) -> str:
    return str(value) if value.bit_length() < 10_000 else f"{value.bit_length()} bits"


def _key(key: Any) -> str:
    text = key if isinstance(key, str) else repr(key)
    return text if _is_text(text) else ascii(text)


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
