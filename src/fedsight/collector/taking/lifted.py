"""Arrays of numbers lifted out of a body of columns, so that no decoder goes over them twice.

msgspec has to look at every digit to know where an array ends, and simdjson then reads them. Here
an array ends at its first bracket: whether it holds nothing but numbers is what simdjson tells.
"""

from __future__ import annotations

import re
import secrets

_FIRST = b'"index"'
_KEY = re.compile(rb'[\x20\t\r\n]*,?[\x20\t\r\n]*"(\w+)"[\x20\t\r\n]*:[\x20\t\r\n]*\[')
_NAMES = frozenset((b"index", b"time", b"value", b"round"))
#: What stands in the body in place of an array: a text that no sender can know.
PLACE = b'"%s"' % secrets.token_hex(16).encode()


def lifted(body: bytes) -> tuple[bytes, dict[str, bytes]]:
    """The body with `PLACE` for its arrays from the first "index" on, and these by name.

    It must still be decoded. The arrays are those of the whole body if the rest decodes and has
    `PLACE` under the name of each, and each is an array of numbers alone; else the body must be
    decoded whole.
    """
    kept: list[bytes] = []
    found: dict[str, bytes] = {}
    done, at = 0, body.find(_FIRST)
    while at >= 0 and (key := _KEY.match(body, at)) is not None and key[1] in _NAMES:
        begin, name = key.end() - 1, key[1].decode()
        end = body.find(b"]", begin) + 1
        if not end or name in found:
            break
        found[name] = body[begin:end]
        kept += [body[done:begin], PLACE]
        done = at = end
    return b"".join([*kept, body[done:]]), found
