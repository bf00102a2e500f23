"""Canonical JSON (RFC 8785): equal contents, equal bytes, whoever writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import rfc8785

#: RFC 8785 writes numbers as JavaScript does: whole ones are exact up to here.
_LARGEST = 2**53 - 1
_MOST_DEPTH = 32


def dumps(value: Any) -> bytes:
    """The canonical bytes of a JSON value made by `plain`. Raises ValueError."""
    return rfc8785.dumps(value)


def plain(value: Any, depth: int = 0) -> Any:
    """A value as canonical JSON can hold it, whatever it is: nothing that was asked is left out.

    What JSON has no form for becomes an object with one key: `{"$int": "9007199254740993"}`,
    `{"$float": "nan"}`, `{"$text": …}` for a text that is no Unicode, `{"$other": …}`.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value if _is_text(value) else {"$text": ascii(value)}
    if isinstance(value, int):
        return value if -_LARGEST <= value <= _LARGEST else {"$int": _digits(value)}
    if isinstance(value, float):
        return value if -_LARGEST <= value <= _LARGEST else {"$float": repr(value)}
    if depth >= _MOST_DEPTH:
        return {"$other": "nested too deep"}
    if isinstance(value, Mapping):
        return {_key(key): plain(one, depth + 1) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one, depth + 1) for one in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(one, depth + 1) for one in value), key=repr)
    if isinstance(value, msgspec.Struct):
        named = {name: getattr(value, name) for name in value.__struct_fields__}
        return plain(named, depth)
    return {"$other": ascii(value)[:200]}


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
