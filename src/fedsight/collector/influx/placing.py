"""Which point each sample belongs to, so that no two samples share one.

InfluxDB knows a point by its tags and its time, so two samples of one series with the same time
and different rounds would become one. The second stands aside then, at a point with the tag
`%round`. Which one is the second must come out the same when a record is written again: so what
is not newer than all that InfluxDB has of these labels is compared with what is there
(docs/decisions/0117-samples-in-influxdb.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from fedsight.collector.influx.address import MEASUREMENT
from fedsight.collector.influx.client import Influx
from fedsight.collector.influx.lines import (
    ASIDE,
    ROUND,
    Place,
    Point,
    Tags,
    line_of,
    quoted_text,
    tags_read,
)

#: Label sets of which the newest time is remembered; beyond, all are asked for again.
REMEMBERED = 200_000
RUN = "run"


class Placed(NamedTuple):
    """A sample with its place."""

    place: Place
    time: int
    round: int
    value: float


def lines_of(samples: Iterable[Placed], there: Mapping[tuple[Tags, int], int]) -> list[str]:
    """Samples as lines, earlier arrivals first; `there` has the rounds of points in the store."""
    rounds = dict(there)
    points: dict[Point, tuple[int, dict[str, float]]] = {}
    for place, time, round_, value in samples:
        first = rounds.setdefault((place.tags, time), round_)
        point = Point(place.tags, time, None if first == round_ else round_)
        points.setdefault(point, (round_, {}))[1][place.field] = value
    return [line_of(point, round_, fields) for point, (round_, fields) in points.items()]


class Placing:
    """Knows the newest time of each set of labels in one store. For one thread."""

    def __init__(self, influx: Influx) -> None:
        self._influx = influx
        self._newest: dict[Tags, int] = {}

    def lines(self, samples: list[Placed]) -> list[str]:
        """The lines of some samples, earlier arrivals first. Raises InfluxError.

        Call `written` once the store has them.
        """
        self._learn({each.place.tags for each in samples})
        late = [s for s in samples if s.time <= self._newest[s.place.tags]]
        return lines_of(samples, self._rounds_at(late) if late else {})

    def written(self, samples: Iterable[Placed]) -> None:
        """Remember that these are in the store."""
        newest = self._newest
        for place, time, _, _ in samples:
            if time > newest[place.tags]:
                newest[place.tags] = time

    def forget(self) -> None:
        """The store may have lost or gained points: ask again."""
        self._newest.clear()

    def _learn(self, wanted: set[Tags]) -> None:
        unknown = wanted - self._newest.keys()
        if not unknown:
            return
        if len(self._newest) + len(unknown) > REMEMBERED:
            self._newest.clear()
            unknown = wanted
        self._newest |= dict.fromkeys(unknown, -1)
        for run in {_run(tags) for tags in unknown}:
            query = (
                f'SELECT last("{ROUND}"::field) FROM "{MEASUREMENT}" WHERE {_of(run)} GROUP BY *'
            )
            for table in self._influx.ask(query):
                tags = tags_read(table.tags)
                if tags in unknown:
                    self._newest[tags] = max(self._newest[tags], table.rows[-1][0])

    def _rounds_at(self, late: list[Placed]) -> dict[tuple[Tags, int], int]:
        """The rounds of points in the store where these samples would stand."""
        found: dict[tuple[Tags, int], int] = {}
        for run in {_run(each.place.tags) for each in late}:
            times = [each.time for each in late if _run(each.place.tags) == run]
            query = (
                f'SELECT "{ROUND}"::field FROM "{MEASUREMENT}" WHERE {_of(run)}'
                f" AND \"{ASIDE}\"::tag = '' AND time >= {min(times)} AND time <= {max(times)}"
                " GROUP BY *"
            )
            for table in self._influx.ask(query):
                tags = tags_read(table.tags)
                found |= {((tags), time): round_ for time, round_ in table.rows}
        return found


def _run(tags: Tags) -> str:
    return dict(tags).get(RUN, "")


def _of(run: str) -> str:
    """The condition for one run's points, or for those of no run."""
    return f'"{RUN}"::tag = {quoted_text(run)}'
