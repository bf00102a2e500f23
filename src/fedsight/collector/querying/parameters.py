"""The query parameters of `/api/v1/query` and `/api/v1/series`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta, Struct

from fedsight.collector.http.parameters import RoundNumber
from fedsight.collector.querying.grouping import Group
from fedsight.collector.reading.queries import LAST_ROUND
from fedsight.collector.store.contract import Aggregation
from fedsight.signals import Text

#: Points of one answer at most, and those of a page or an answer where no limit is given.
MOST_POINTS = 1_000_000
PAGE_POINTS = 100_000
#: Series of one list at most; beyond as many nobody counts on.
MOST_LISTED = 10_000
MOST_COUNTED = 100_000

MetricName = Annotated[str, Meta(max_length=128)]
FilterText = Annotated[str, Meta(max_length=8192)]
TimeText = Annotated[str, Meta(max_length=64)]


class PointsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which samples, and gathered how: see docs/queries.md."""

    BLAMED: ClassVar[str] = "from_round"

    name: MetricName | None = None
    labels: FilterText = ""
    run: Text | None = None
    start: TimeText | None = msgspec.field(name="from", default=None)
    end: TimeText | None = msgspec.field(name="to", default=None)
    step: TimeText | None = None
    aggregation: Aggregation | None = None
    by: FilterText | None = None
    group: Group | None = None
    from_round: RoundNumber = 0
    to_round: RoundNumber = LAST_ROUND
    limit: Annotated[int, Meta(ge=1, le=MOST_POINTS)] | None = None
    cursor: TimeText | None = None
    times: Literal["rfc3339", "ns"] = "rfc3339"
    format: Literal["json", "csv"] | None = None

    def __post_init__(self) -> None:
        if self.from_round > self.to_round:
            raise ValueError(f"from_round {self.from_round} must not be above to_round")


class SeriesQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which series; without a time, those of any."""

    name: MetricName | None = None
    labels: FilterText = ""
    run: Text | None = None
    start: TimeText | None = msgspec.field(name="from", default=None)
    end: TimeText | None = msgspec.field(name="to", default=None)
    limit: Annotated[int, Meta(ge=1, le=MOST_LISTED)] = 1_000
    offset: Annotated[int, Meta(ge=0, le=MOST_COUNTED)] = 0
