"""Series as JSON, decoded once and not with every record that names them again.

The records of a run name the same series each time, and checking 1,600 series' names and labels
takes longer than all else in a record of 200 clients together.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from fedsight.door.refusal import BadFieldError, bad_field
from fedsight.signals import Series

#: Bytes of series kept decoded; the ones used longest ago are forgotten first.
REMEMBERED_BYTES = 4 * 2**20

_decode_series = msgspec.json.Decoder(list[Series]).decode


class SeriesReader:
    """Decodes lists of series; equal bytes give the same list. For one thread at a time."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, list[Series]] = OrderedDict()
        self._held = 0

    def read(self, raw: bytes, path: str) -> list[Series]:
        """The series; raises BadFieldError naming the field, which begins with `path`."""
        found = self._known.get(raw)
        if found is not None:
            self._known.move_to_end(raw)
            return found
        try:
            found = self._known[raw] = _decode_series(raw)
        except msgspec.ValidationError as error:
            bad = bad_field(error)
            inner = "" if bad.field == "body" else bad.field
            raise BadFieldError(f"{path}{inner}", str(bad)) from None
        self._held += len(raw)
        while self._held > REMEMBERED_BYTES:
            forgotten, _ = self._known.popitem(last=False)
            self._held -= len(forgotten)
        return found
