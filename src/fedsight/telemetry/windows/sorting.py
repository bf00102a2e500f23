"""Points on their way into windows: whose they are, which are wanted, one row for each scrape."""

from __future__ import annotations

import json
import math
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from fedsight.telemetry.windows.contract import MAX_COLUMNS, MAX_NODES, is_column, is_node
from fedsight.telemetry.windows.frames import LAST_TIME, Rows, frame
from fedsight.telemetry.windows.notices import Notices
from fedsight.telemetry.windows.rules import NODE_KEYS, SCOPE_KEY, BridgeConfiguration

#: Who sent it: the name of an agent's queue, else OpenTelemetry's own attribute of a process.
SENDER_KEYS = ("fedsight.agent", "service.instance.id")
#: Point attributes that say how a value was come by, not which one it is.
NOT_IDENTITY = frozenset({"value_source"})
#: Names of unwanted metrics that are counted each by itself.
MOST_NAMES = 1000
_RESOURCES = 4096


class Point(NamedTuple):
    """One number of a metric: OTLP's data point. `time` is Unix nanoseconds UTC."""

    name: str
    time: int
    value: float
    attributes: Mapping[str, str]
    unit: str = ""


class Destination(NamedTuple):
    """Where the points of one resource go: columns' prefixes by metric."""

    node: str
    prefixes: dict[str, tuple[str, ...]]


@dataclass
class _Known:
    """What was seen of a node: units by column, of as many as a window has, those that came last;
    its senders in the order in which they spoke."""

    units: OrderedDict[str, str] = field(default_factory=OrderedDict)
    senders: dict[str, list[str]] = field(default_factory=dict)


class Sorter:
    """Sorts what arrives by the rules of a `BridgeConfiguration`. For one thread.

    `counted` says how many points were `taken`, `unmatched` (no rule wants them), `nameless` (no
    node that may be called so), `invalid` (not finite, without a time), of another `unit` than
    before, or beyond the `columns` that a window may have. `unmatched` counts by metric.
    """

    def __init__(self, configuration: BridgeConfiguration, notices: Notices | None = None) -> None:
        self.configuration = configuration
        self.counted: Counter[str] = Counter()
        self.unmatched: Counter[str] = Counter()
        self._notices = notices or Notices()
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._destinations: OrderedDict[tuple[object, ...], Destination | None] = OrderedDict()

    def changed(self) -> None:
        """Forget what was worked out, after a change to the configuration."""
        self._destinations.clear()
        self._known.clear()

    def wanted(self, resource: Mapping[str, str], scope: str) -> frozenset[str]:
        """The metrics of this resource that go into a window: what is worth passing to `sort`."""
        there = self._destination(resource, scope)
        return frozenset(there.prefixes) if there else frozenset()

    def leave(self, metric: str, points: int = 1) -> None:
        """Count points of a metric that no rule wants."""
        self.counted["unmatched"] += points
        if metric in self.unmatched or len(self.unmatched) < MOST_NAMES:
            self.unmatched[metric] += points
        self._notices.tell(
            metric[:200], "unmatched", "no rule lets the metric %s into a window", metric[:200]
        )

    def sort(
        self, resource: Mapping[str, str], scope: str, points: Iterable[Point]
    ) -> dict[str, pd.DataFrame]:
        """Rows for `add_dataframe`, by node; empty where no rule wants any of it."""
        there = self._destination(resource, scope)
        cells: dict[str, dict[int, float]] = {}
        for point in points:
            prefixes = there.prefixes.get(point.name) if there else None
            if there is None or prefixes is None:
                self.leave(point.name)
            elif not (0 < point.time <= LAST_TIME and math.isfinite(point.value)):
                self.counted["invalid"] += 1
            else:
                self._put(there.node, prefixes, point, cells)
        if there is None or not cells:
            return {}
        self._note_sender(there, resource)
        return {there.node: _framed(cells)}

    def _put(
        self,
        node: str,
        prefixes: tuple[str, ...],
        point: Point,
        cells: dict[str, dict[int, float]],
    ) -> None:
        for prefix in prefixes:
            name = column(prefix, point)
            if name not in cells and (len(cells) >= MAX_COLUMNS or not is_column(name)):
                self.counted["columns"] += 1
                text = "node %s: a window has at most %d columns; %s is left out"
                self._notices.tell(node, "columns", text, node, MAX_COLUMNS, name[:200])
            elif self._same_unit(node, name, point.unit):
                cells.setdefault(name, {}).setdefault(point.time, float(point.value))
                self.counted["taken"] += 1

    def _same_unit(self, node: str, name: str, unit: str) -> bool:
        """Whether the unit is the one it always was; numbers of two units make no series."""
        units = self._of(node).units
        before = units.get(name, "")
        if before in ("", unit) or not unit:
            units[name] = unit or before
            units.move_to_end(name)
            if len(units) > MAX_COLUMNS:
                units.popitem(last=False)
            return True
        self.counted["unit"] += 1
        text = "node %s: %s came in %s and now in %s; it is left out until the bridge starts anew"
        self._notices.tell(node, "unit", text, node, name, before, unit[:40])
        return False

    def remembered_units(self, node: str) -> Mapping[str, str]:
        """By column of a node's window: the unit that its numbers have."""
        known = self._known.get(node)
        return dict(known.units) if known else {}

    def _note_sender(self, there: Destination, resource: Mapping[str, str]) -> None:
        """Two senders that take turns are two agents; one that follows another is a restart."""
        sender = sender_of(resource)
        prefixes = {prefix for each in there.prefixes.values() for prefix in each}
        for prefix in prefixes if sender else ():
            spoke = self._of(there.node).senders.setdefault(prefix, [])
            if spoke and spoke[-1] == sender:
                continue
            if sender in spoke:
                text = "node %s: two agents send its %s, %s and %s; the first value of a slot stays"
                self._notices.tell(
                    there.node, "agents", text, there.node, prefix, spoke[-1][:80], sender[:80]
                )
                self.counted["agents"] += 1
            spoke.append(sender)
            del spoke[:-2]

    def _of(self, node: str) -> _Known:
        known = self._known.setdefault(node, _Known())
        if len(self._known) > MAX_NODES:
            self._known.popitem(last=False)
        return known

    def _destination(self, resource: Mapping[str, str], scope: str) -> Destination | None:
        key = (scope, *sorted(resource.items()))
        if key not in self._destinations:
            self._destinations[key] = self._found(resource, scope)
            if len(self._destinations) > _RESOURCES:
                self._destinations.popitem(last=False)
        return self._destinations[key]

    def _found(self, resource: Mapping[str, str], scope: str) -> Destination | None:
        attributes = {SCOPE_KEY: scope, **resource}
        matching = self.configuration.get_matching_res_configs(attributes)
        node = node_of(resource)
        if not matching:
            return None
        if not is_node(node):
            self.counted["nameless"] += 1
            text = "no window for what names no node, or one that no node may be called: %r"
            self._notices.tell("", "nameless", text, node[:80])
            return None
        prefixes: dict[str, tuple[str, ...]] = {}
        for each in matching:
            for metric in each.metrics:
                prefixes[metric] = (*prefixes.get(metric, ()), each.name)
        return Destination(node, prefixes)


def node_of(resource: Mapping[str, str]) -> str:
    """The node that a resource says it is; empty where it says none."""
    return next((resource[key] for key in NODE_KEYS if resource.get(key)), "")


def sender_of(resource: Mapping[str, str]) -> str:
    """Who sends it; empty where it does not say."""
    return next((resource[key] for key in SENDER_KEYS if resource.get(key)), "")


def column(prefix: str, point: Point) -> str:
    """The column of a point: labels that tell it from others of its metric belong to its name."""
    labels = {key: text for key, text in point.attributes.items() if key not in NOT_IDENTITY}
    if not labels:
        return f"{prefix}.{point.name}"
    quoted = (f"{key}={json.dumps(labels[key], ensure_ascii=False)}" for key in sorted(labels))
    return f"{prefix}.{point.name}{{{','.join(quoted)}}}"


def _framed(cells: dict[str, dict[int, float]]) -> pd.DataFrame:
    times = sorted({time for column in cells.values() for time in column})
    at = {time: number for number, time in enumerate(times)}
    values = np.full((len(times), len(cells)), np.nan)
    for number, by_time in enumerate(cells.values()):
        values[[at[time] for time in by_time], number] = list(by_time.values())
    return frame(Rows(np.array(times, np.int64), tuple(cells), values))
