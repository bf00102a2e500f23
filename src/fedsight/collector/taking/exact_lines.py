"""One line of InfluxDB's line protocol, read by the library that knows its whole grammar.

https://docs.influxdata.com/influxdb/v1/write_protocols/line_protocol_reference/
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import msgspec
from line_protocol_parser import LineFormatError, parse_line

from fedsight.door.times import LATEST
from fedsight.signals import Series

ROUND = "round"
#: A field of this name is the measurement's own value: it adds nothing to the series' name.
VALUE = "value"
LARGEST_ROUND = 1_000_000_000

_FIELDS_BEGIN = re.compile(r"(?<!\\) ")
_NO_NUMBER = re.compile(r"=([+-]?(?:nan|inf|infinity))(?=[, ]|$)", re.IGNORECASE)


class BadLineError(ValueError):
    """A line that is refused, and why."""


@dataclass(slots=True)
class Line:
    """What a line says. `absent` counts its fields that are no number; `time` may be absent."""

    series: list[Series] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    round: int | None = None
    time: int | None = None
    absent: int = 0


def read_line(text: bytes, unit: int) -> Line:
    """A line; `unit` is what its time counts, in ns. An empty line or a comment says nothing.

    Raises BadLineError.
    """
    found = _parsed(text)
    if found is None:
        return Line()
    line = Line(time=_time(found["time"], unit))
    for key, value in found["fields"].items():
        if isinstance(value, str):
            line.absent += 1
        elif key == ROUND:
            line.round = _round(value)
        else:
            line.series.append(series_of(found["measurement"], key, found["tags"]))
            line.values.append(float(value))
    if not line.values and not line.absent:
        raise BadLineError("has no field besides its round")
    return line


def series_of(measurement: str, key: str, tags: dict[str, str]) -> Series:
    """The series of a field: `measurement_field`; raises BadLineError for what is no name."""
    name = measurement if key == VALUE else f"{measurement}_{key}"
    try:
        return msgspec.convert({"name": name, "labels": tags}, Series)
    except msgspec.ValidationError as error:
        raise BadLineError(f"measurement {shown(name)}: {error}") from None


def read_head(head: bytes) -> tuple[str, dict[str, str]] | None:
    """Measurement and tags of a line without blanks in them; None where they are none."""
    try:
        found = _parsed(head + b" x=1")
    except BadLineError:
        return None
    return None if found is None else (found["measurement"], found["tags"])


def shown(text: str) -> str:
    """Text as it may stand in an answer, however long it is."""
    return repr(text if len(text) <= 40 else f"{text[:40]}...")


def _parsed(text: bytes) -> dict | None:  # type: ignore[type-arg]
    try:
        line = text.decode().strip()
    except UnicodeDecodeError:
        raise BadLineError("is not UTF-8") from None
    if not line:
        return None
    try:
        return parse_line(line)  # type: ignore[no-any-return]
    except LineFormatError as error:
        marked = _without_numbers(line)
        if marked == line:
            raise BadLineError(str(error).rstrip(".")) from None
    try:
        return parse_line(marked)  # type: ignore[no-any-return]
    except LineFormatError as error:
        raise BadLineError(str(error).rstrip(".")) from None


def _without_numbers(line: str) -> str:
    """NaN and infinity as texts: InfluxDB's writers send them though its grammar has none."""
    begin = _FIELDS_BEGIN.search(line)
    if begin is None:
        return line
    return line[: begin.end()] + _NO_NUMBER.sub(r'="\1"', line[begin.end() :])


def _time(time: int | None, unit: int) -> int | None:
    if time is not None and not 0 <= time <= LATEST // unit:
        raise BadLineError(f"time {time} must lie between 1970 and 2200; check `precision`")
    return None if time is None else time * unit


def _round(value: float) -> int:
    if not 0 <= value <= LARGEST_ROUND or value != int(value):
        raise BadLineError(f"round {value!r} must be a whole number from 0 to 10^9")
    return int(value)
