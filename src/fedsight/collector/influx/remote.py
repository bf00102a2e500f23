"""What InfluxDB is asked about series of the hot log's table, and its answers as columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedsight.collector.influx.address import MEASUREMENT
from fedsight.collector.influx.client import Influx, Table
from fedsight.collector.influx.lines import (
    ROUND,
    key_of,
    labels_of,
    quoted_name,
    quoted_text,
    tag_value,
)
from fedsight.collector.store.contract import NAME_LABEL, Aggregation, Matcher
from fedsight.collector.store.raw import RawSamples, joined
from fedsight.collector.store.series_index import SeriesIndex
from fedsight.collector.store.windowing import Windows
from fedsight.signals import series_key

#: Fields that one question asks for.
FIELDS = 40
#: What InfluxDB computes as the contract says.
AGGREGATIONS: dict[Aggregation, str] = {
    "mean": "mean",
    "min": "min",
    "max": "max",
    "sum": "sum",
    "count": "count",
    "last": "last",
}


class Wanted(NamedTuple):
    """Series by their ids, and conditions that hold for all of them; `start <= time < end`."""

    ids: NDArray[np.int64]
    matchers: tuple[Matcher, ...]
    start: int
    end: int
    rounds: tuple[int, int] | None = None

    @property
    def conditions(self) -> str:
        """As InfluxQL; of the matchers only those that say what a label is."""
        said = [f"time >= {self.start}", f"time < {self.end}"]
        said += [
            f"{quoted_name(key_of(label))}::tag = {quoted_text(tag_value(value))}"
            for label, op, value in self.matchers
            if op == "=" and label != NAME_LABEL
        ]
        if self.rounds is not None:
            first, last = self.rounds
            said += [f'"{ROUND}"::field >= {first}', f'"{ROUND}"::field <= {last}']
        return " AND ".join(said)


class Remote:
    """The samples that are in InfluxDB, of the series of one index. Raises InfluxError."""

    def __init__(self, influx: Influx, index: SeriesIndex) -> None:
        self._influx = influx
        self._index = index

    def raw(self, wanted: Wanted) -> RawSamples:
        """All samples of the series, a point's in no particular order."""
        parts: list[RawSamples] = []
        known, names = self._known(wanted.ids)
        for fields in _chunks(names):
            columns = ", ".join(f"{quoted_name(key_of(name))}::field" for name in fields)
            query = (
                f'SELECT {columns}, "{ROUND}"::field FROM "{MEASUREMENT}"'
                f" WHERE {wanted.conditions} GROUP BY *"
            )
            for table in self._influx.ask(query):
                parts += _samples(table, fields, known)
        return joined(parts)

    def windows(self, wanted: Wanted, step: int | None, aggregation: Aggregation) -> Windows:
        """Windows that InfluxDB computes, by series and then time; one over all without `step`."""
        parts: list[RawSamples] = []
        known, names = self._known(wanted.ids)
        for fields in _chunks(names):
            columns = ", ".join(
                f'{AGGREGATIONS[aggregation]}({quoted_name(key_of(name))}::field) AS "f{at}"'
                for at, name in enumerate(fields)
            )
            groups = [quoted_name(key_of(label)) for label in self._labels(fields)]
            groups += [] if step is None else [f"time({step}ns)"]
            grouped = f" GROUP BY {', '.join(groups)}" if groups else ""
            query = f'SELECT {columns} FROM "{MEASUREMENT}" WHERE {wanted.conditions}{grouped}'
            for table in self._influx.ask(query + (" fill(none)" if grouped else "")):
                parts += _samples(table, fields, known)
        found = joined(parts)
        order = np.lexsort((found.time, found.series))
        return Windows(found.series[order], found.time[order], found.value[order])

    def rounds(self, run: str) -> tuple[int, int] | None:
        """The first and last round of which a run has samples; None where there is none."""
        name = f'"{ROUND}"::field'
        query = (
            f'SELECT min({name}), max({name}) FROM "{MEASUREMENT}"'
            f' WHERE "run"::tag = {quoted_text(tag_value(run))} AND {name} >= 0'
        )
        for table in self._influx.ask(query):
            _, first, last = table.rows[0]
            return int(first), int(last)
        return None

    def _known(self, ids: NDArray[np.int64]) -> tuple[dict[str, int], list[str]]:
        """The ids by their series as text, and the series' names."""
        known = {self._index.key(id_): id_ for id_ in ids.tolist()}
        return known, list(dict.fromkeys(key.partition("{")[0] for key in known))

    def _labels(self, names: Sequence[str]) -> list[str]:
        """Every label that a series of these names has, so that none is taken for another."""
        found: set[str] = set()
        for name in names:
            ids = self._index.select((Matcher(NAME_LABEL, "=", name),))
            for id_ in ids.tolist():
                found |= self._index.series(id_).labels.keys()
        return sorted(found)


def _chunks(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for at in range(0, len(names), FIELDS):
        yield names[at : at + FIELDS]


def _samples(table: Table, fields: Sequence[str], known: dict[str, int]) -> Iterator[RawSamples]:
    """A table's samples: first the time, then the fields, then the round where it was asked for."""
    labels = labels_of(table.tags)
    time, *columns = zip(*table.rows, strict=True)
    times = np.array(time, np.int64)
    rounds = columns[len(fields)] if len(columns) > len(fields) else [-1] * len(time)
    for name, column in zip(fields, columns, strict=False):
        id_ = known.get(series_key(name, labels))
        if id_ is None:
            continue
        value = np.array(column, np.float64)
        there = ~np.isnan(value)
        if there.any():
            round_ = np.array(rounds, np.int32)[there]
            series = np.full(len(round_), id_, np.int32)
            yield RawSamples(series, times[there], round_, value[there])
