"""The four questions of `benchmarks.collector`, asked over HTTP before and after merging.

Each store is asked in its own language for the same points, over one kept connection, until the
last byte is there. VictoriaMetrics with the round as a label holds a part of the samples only: it
and ours are asked about that part apart from the rest, so that both find the same.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx

from benchmarks.collector_load import METRICS, ROUND_MS, Shape
from benchmarks.collector_peers import Ours, Process, merge_ours
from benchmarks.command import Say
from benchmarks.measuring import FEWEST_BLOCKS, Spread, ratios, taking_turns
from benchmarks.report import Target
from fedsight.errors import FedsightError

#: Arms that are compared over the part that both hold.
PART = ("ours", "victoria_round")
NAMES = ("last", "rounds", "minute_means", "count_by_client")
METRIC = "fl_client_train_loss"
#: Requests whose median is one block's figure.
REQUESTS = 5
MERGE_SECONDS = 300.0
#: After so many seconds a block asks no more.
LONG_SECONDS = 2.0
#: A store that cannot answer.
NEVER = float("inf")
HOUR_MS = 3_600_000


class Stores(Protocol):
    """What runs, by name; `start` starts one again in its folder."""

    running: dict[str, Process]

    def start(self, name: str, begin: Callable[..., Process]) -> Process: ...


Seconds = dict[str, dict[str, list[float]]]
Bound = Callable[[str, float, float], Target]


@dataclass(frozen=True)
class Asked:
    """What the questions are about: one run, the time of all of them, and the hour of the means;
    in ms, ends excluded. `counted` are the runs whose samples are counted."""

    run: str
    range: tuple[int, int]
    hour: tuple[int, int]
    counted: str = "r-.*"


@dataclass
class Found:
    """Seconds of each question and store, block by block, before and after merging; the same of
    the part that two of them hold, after merging; and bytes a sample once merged."""

    before: Seconds = field(default_factory=dict)
    after: Seconds = field(default_factory=dict)
    part: Seconds = field(default_factory=dict)
    bytes_a_sample: dict[str, float] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        """All of it, in milliseconds."""
        found: dict[str, Any] = {}
        phases = {"unmerged": self.before, "merged": self.after, "part_merged": self.part}
        for phase, seconds in phases.items():
            for name, by_store in seconds.items():
                for store, values in by_store.items():
                    found[f"{name}_{store}_{phase}_ms"] = _spread(values)
        return {**found, "bytes_a_sample": self.bytes_a_sample}

    def targets(self, at_least: Bound, at_most: Bound) -> list[Target]:
        """What was promised of queries and size."""
        found = []
        for name in NAMES:
            ours = self.after[name]["ours"]
            without = _median(ours, self.after[name]["victoria"])
            part = self.part[name]
            with_round = _median(part["victoria_round"], part["ours"])
            unmerged = statistics.median(self.before[name]["ours"]) / statistics.median(ours)
            found += [
                at_most(f"{name} over VictoriaMetrics without round", without, 1.25),
                at_least(f"{name}: VictoriaMetrics with round over ours", with_round, 3.0),
                at_most(f"{name} before merging over after", unmerged, 3.0),
            ]
        size = self.bytes_a_sample["ours"]
        return [*found, at_most("bytes a sample once merged", size, 7.0)]


def _spread(values: list[float]) -> Spread | None:
    """None where the store cannot answer."""
    return None if NEVER in values else Spread.of([1000 * value for value in values])


def _median(values: list[float], references: list[float]) -> float:
    return statistics.median(ratios(values, references, float))


def queries(stores: Stores, shape: Shape, part: int, say: Say) -> Found:
    """Ask, merge, and ask again; `part` rounds of a run are in every store."""
    found = Found()
    asked = {name: stores.running[name] for name in ("ours", "victoria", "influx", "prometheus")}
    for name in ("victoria", "victoria_round"):
        _told(stores.running[name], "/internal/force_flush")  # else what came last is missing
    whole = everything(shape)
    _check(asked, whole, shape.samples)
    found.before = _timed(asked, whole, lambda line: say(f"before merging, {line}"))
    say("merging")
    _merge(stores)
    asked["ours"] = stores.running["ours"]
    _check(asked, whole, shape.samples)
    found.after = _timed(asked, whole, lambda line: say(f"after merging, {line}"))
    both = {name: stores.running[name] for name in PART}
    few = first_rounds(shape, part)
    _check_part(both, few, part * shape.samples_a_round)
    found.part = _timed(both, few, lambda line: say(f"{part} rounds that both hold, {line}"))
    for name in ("ours", "victoria", "influx", "prometheus"):
        found.bytes_a_sample[name] = asked[name].size() / shape.samples
    return found


def _merge(stores: Stores) -> None:
    """Ours by its command, VictoriaMetrics by its internal address, to the end of both."""
    stores.running["ours"].stop()
    merge_ours(stores.running["ours"].data)
    stores.start("ours", Ours)
    for name in ("victoria", "victoria_round"):
        _told(stores.running[name], "/internal/force_merge")
        _await_merged(stores.running[name].url)


def _told(process: Process, path: str) -> None:
    httpx.get(process.url + path, timeout=MERGE_SECONDS, trust_env=False).raise_for_status()


def _await_merged(url: str) -> None:
    until = time.monotonic() + MERGE_SECONDS
    while time.monotonic() < until:
        time.sleep(1.0)
        text = httpx.get(f"{url}/metrics", timeout=60, trust_env=False).text
        active = [line for line in text.splitlines() if line.startswith("vm_active_merges")]
        if all(line.endswith(" 0") for line in active):
            return
    raise FedsightError("VictoriaMetrics did not finish merging")


def _timed(stores: Mapping[str, Process], what: Asked, say: Say) -> Seconds:
    """Every question of every store, in turns."""
    found: Seconds = {}
    with httpx.Client(timeout=120, trust_env=False) as client:
        for name in NAMES:
            arms = {
                store: _arm(client, process.url + _path(store, name, what))
                for store, process in stores.items()
            }
            say(name)
            found[name] = taking_turns(arms, FEWEST_BLOCKS, _silent)
    return found


def _silent(_: str) -> None:
    """The blocks of questions are over in a moment."""


def _arm(client: httpx.Client, url: str) -> Callable[[], float]:
    def median() -> float:
        seconds = []
        for _ in range(REQUESTS):
            began = time.perf_counter()
            answer = client.get(url)
            seconds.append(time.perf_counter() - began)
            if answer.status_code != 200:
                return NEVER
            if sum(seconds) > LONG_SECONDS:
                break
        return statistics.median(seconds)

    return median


def _path(store: str, name: str, what: Asked) -> str:
    if store == "ours":
        return _ours(name, what)
    if store == "influx":
        return _influx(name, what)
    if (store, name) == ("prometheus", "count_by_client"):
        return _count_of_each(what)
    return _promql(name, what)


def _run(shape: Shape) -> int:
    """A run in the middle of them, whose first rounds VictoriaMetrics has with rounds as labels."""
    return shape.runs // 2 // 2 * 2


def everything(shape: Shape) -> Asked:
    """All of time; the means over an hour of a run, or all of a shorter one, in whole minutes."""
    begin = shape.time_ms(_run(shape), 0) // 60_000 * 60_000
    hour = begin, begin + min(HOUR_MS, shape.rounds * ROUND_MS // 60_000 * 60_000)
    return Asked(f"r-{_run(shape)}", (shape.time_ms(0, 0), shape.end_ms + 1000), hour)


def first_rounds(shape: Shape, rounds: int) -> Asked:
    """The first rounds of the run alone; the means over what of an hour they fill."""
    begin, until = shape.time_ms(_run(shape), 0), shape.time_ms(_run(shape), rounds - 1) + 1000
    hour = begin // 60_000 * 60_000, min(begin + HOUR_MS, until) // 60_000 * 60_000
    return Asked(f"r-{_run(shape)}", (begin, until), hour, f"r-{_run(shape)}")


def _url(path: str, **parameters: object) -> str:
    return f"{path}?{httpx.QueryParams({k: str(v) for k, v in parameters.items()})}"


def _ours(name: str, what: Asked) -> str:
    start, end = (f"{at / 1000:.3f}" for at in what.range)
    of_run, whole = f"run={what.run}", {"from": start, "to": end, "times": "ns"}
    one = {"step": "3650d", **whole}
    path = "/api/v1/query"
    if name == "last":
        return _url(path, name=METRIC, labels=of_run, aggregation="last", **one)
    if name == "rounds":
        labels = f"{of_run},node=client-7"
        return _url(path, name=METRIC, labels=labels, limit=100_000, **whole)
    if name == "minute_means":
        begin, until = (f"{at / 1000:.0f}" for at in what.hour)
        hour = {"from": begin, "to": until, "step": "60s", "times": "ns"}
        return _url(path, name=METRIC, labels=of_run, aggregation="mean", **hour)
    labels = f"__name__=~fl_client_.*,run=~{what.counted}"
    return _url(path, labels=labels, aggregation="count", by="node", **one)


def _promql(name: str, what: Asked) -> str:
    start, end = what.range
    window, of_run = f"[{(end - start) // 1000 + 1}s]", f'run="{what.run}"'
    if name == "minute_means":
        begin, until = (at // 1000 for at in what.hour)
        query = f"avg by (node) (avg_over_time({METRIC}{{{of_run}}}[1m]))"
        return _url(
            "/api/v1/query_range", query=query, start=begin + 60, end=until, step=60, nocache=1
        )
    all_ = f'{{__name__=~"fl_client_.*",run=~"{what.counted}"}}'
    last = f"last_over_time({METRIC}{{{of_run}}}{window})"
    query = {
        "last": last,
        "rounds": f'{METRIC}{{{of_run},node="client-7"}}{window}',
        "count_by_client": f"sum by (node) (count_over_time({all_}{window}))",
    }[name]
    return _url("/api/v1/query", query=query, time=end // 1000, nocache=1)


def _count_of_each(what: Asked) -> str:
    """Prometheus cannot count several names at once: without its name a series is no other."""
    start, end = what.range
    window = f"[{(end - start) // 1000 + 1}s]"
    sums = [f"sum by (node) (count_over_time(fl_client_{name}{window}))" for name in METRICS]
    return _url("/api/v1/query", query=" + ".join(sums), time=end // 1000)


def _influx(name: str, what: Asked) -> str:
    begin, until = what.hour
    of_run = f"run = '{what.run}'"
    query = {
        "last": f"SELECT last(train_loss) FROM fl_client WHERE {of_run} GROUP BY node",
        "rounds": f"SELECT train_loss, round FROM fl_client WHERE {of_run} AND node = 'client-7'",
        "minute_means": f"SELECT mean(train_loss) FROM fl_client WHERE {of_run} AND"
        f" time >= {begin}ms AND time < {until}ms GROUP BY time(1m), node",
        "count_by_client": "SELECT count(train_loss), count(train_accuracy), count(train_seconds),"
        " count(upload_seconds) FROM fl_client GROUP BY node",
    }[name]
    return _url("/query", db="fl", epoch="ms", q=query)


def _check(stores: Mapping[str, Process], what: Asked, samples: int) -> None:
    """Ours and VictoriaMetrics hold the same: every sample, and the same last values."""
    with httpx.Client(timeout=120, trust_env=False) as client:
        _check_counts(client, stores["ours"], stores["victoria"], what, samples)
        last = _of_ours(client, stores["ours"], "last", what)
        for series in _of_promql(client, stores["victoria"], "last", what):
            if last[series["metric"]["node"]]["values"] != [float(series["value"][1])]:
                raise FedsightError(f"last values differ: {series}")


def _check_part(stores: Mapping[str, Process], what: Asked, samples: int) -> None:
    """Ours and VictoriaMetrics with the round hold the same of the part."""
    ours, theirs = stores["ours"], stores["victoria_round"]
    with httpx.Client(timeout=120, trust_env=False) as client:
        _check_counts(client, ours, theirs, what, samples)
        (mine,) = _of_ours(client, ours, "rounds", what).values()
        found = _of_promql(client, theirs, "rounds", what)
        values = {
            int(series["metric"]["round"]): float(value)
            for series in found
            for _, value in series["values"]
        }
        if values != dict(zip(mine["rounds"], mine["values"], strict=True)):
            raise FedsightError("the rounds of one curve differ")


def _check_counts(
    client: httpx.Client, ours: Process, theirs: Process, what: Asked, samples: int
) -> None:
    mine = _of_ours(client, ours, "count_by_client", what)
    counted = {node: series["values"][0] for node, series in mine.items()}
    found = _of_promql(client, theirs, "count_by_client", what)
    expected = {series["metric"]["node"]: float(series["value"][1]) for series in found}
    if counted != expected or sum(counted.values()) != samples:
        raise FedsightError(
            f"of {samples} samples we count {sum(counted.values())},"
            f" VictoriaMetrics {sum(expected.values())}"
        )


def _of_ours(client: httpx.Client, ours: Process, name: str, what: Asked) -> dict[str, Any]:
    """The series of our answer by node."""
    answer = client.get(ours.url + _ours(name, what)).raise_for_status()
    return {series["labels"]["node"]: series for series in answer.json()["series"]}


def _of_promql(client: httpx.Client, theirs: Process, name: str, what: Asked) -> list[Any]:
    answer = client.get(theirs.url + _promql(name, what)).raise_for_status()
    found: list[Any] = answer.json()["data"]["result"]
    return found
