"""Series as tags and fields, and samples as lines of the line protocol. Pure.

A line is one point: `samples,node=n-1,run=r-1 fl_client_samples=60,round=3i 1795341120000000000`.
Samples that share labels, time and round share a line. What the protocol cannot say, or keeps for
itself, is percent-encoded (RFC 3986); a percent sign is no part of a metric's or a label's name.
https://docs.influxdata.com/influxdb/v1.8/write_protocols/line_protocol_reference/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote

from fedsight.collector.influx.address import MEASUREMENT
from fedsight.signals import Series

ROUND = "round"
#: The tag of a point that another one, of the same labels and time, keeps from its place.
ASIDE = "%round"
RESERVED = frozenset({"time", ROUND, "_field", "_measurement", "_tagKey", "_name"})
#: In a tag's value: what would end the line, and what escapes.
UNSAYABLE = {ord(c): f"%{ord(c):02X}" for c in (*map(chr, range(32)), "%", "\\", "\x7f")}
ESCAPED = str.maketrans({",": "\\,", "=": "\\=", " ": "\\ "})

#: A point's labels, as (tag, value) in order of the tags, without `ASIDE`.
Tags = tuple[tuple[str, str], ...]


class Place(NamedTuple):
    """Where the samples of a series go: the point's tags and the field."""

    tags: Tags
    field: str


class Point(NamedTuple):
    """What identifies a point: tags and time; `aside` is the round of one that stands aside."""

    tags: Tags
    time: int
    aside: int | None = None


def key_of(name: str) -> str:
    """A label's or metric's name as a tag's or field's."""
    return f"%{ord(name[0]):02X}{name[1:]}" if name in RESERVED else name


def name_of(key: str) -> str:
    """The inverse of `key_of`."""
    return unquote(key)


def tag_value(label: str) -> str:
    """A label's value as a tag's."""
    return label.translate(UNSAYABLE)


def place_of(series: Series) -> Place:
    """Where the samples of a series go."""
    tags = sorted((key_of(key), tag_value(value)) for key, value in series.labels.items())
    return Place(tuple(tags), key_of(series.name))


def labels_of(tags: Mapping[str, str]) -> dict[str, str]:
    """The labels of a point that was read; a tag that it does not have is the empty text there."""
    return {name_of(k): unquote(v) for k, v in tags.items() if v and k != ASIDE}


def tags_read(tags: Mapping[str, str]) -> Tags:
    """The tags of a point that was read, as `place_of` gives them."""
    return tuple(sorted((key, value) for key, value in tags.items() if value and key != ASIDE))


def line_of(point: Point, round_: int, fields: Mapping[str, float]) -> str:
    """A point as a line; `round_` is -1 where its samples have none."""
    tags = list(point.tags)
    if point.aside is not None:
        tags = sorted([*tags, (ASIDE, str(point.aside))])
    keyed = "".join(f",{_escaped(key)}={_escaped(value)}" for key, value in tags)
    values = ",".join(f"{_escaped(key)}={value!r}" for key, value in fields.items())
    return f"{MEASUREMENT}{keyed} {values},{ROUND}={round_}i {point.time}"


def _escaped(text: str) -> str:
    return text.translate(ESCAPED)


def quoted_name(name: str) -> str:
    """An identifier of InfluxQL."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def quoted_text(text: str) -> str:
    """A text of InfluxQL."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{escaped}'"
