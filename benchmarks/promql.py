"""How long PromQL takes the collector, beside a real Prometheus that holds the same samples.

Range queries as a dashboard asks them, over HTTP: an hour in steps of 15 s, 100 and 1,000 series
with a sample every 15 s. Each query is asked of both in turn; ours answers from merged files.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import httpx
import msgspec

from benchmarks.collector_peers import Ours, Process, merge_ours, prometheus
from benchmarks.command import Say, run
from benchmarks.measuring import FEWEST_BLOCKS, Spread, ratios, taking_turns
from benchmarks.report import Findings, at_most
from fedsight.errors import FedsightError
from fedsight.signals import Batch, Sample, Shipment, batch

SERIES, QUICK_SERIES = (100, 1000), (20,)
BLOCKS = 9
EVERY, TICKS = 15, 240
BEGIN = 1_795_341_120
RECORD = 50_000
#: How many times Prometheus's time a query may take.
MOST_TIMES = 3.0
QUERIES = {
    "newest": "load_total",
    "rate": "rate(load_total[1m])",
    "rate by run": "sum by (run) (rate(load_total[1m]))",
    "highest": "max_over_time(load_total[5m])",
    "top five": "topk(5, load_total)",
    "ratio": "load_total / on (run, node) load_total",
}


def measure(quick: bool, say: Say) -> Findings:
    """Ask both the same; seconds of each query and their ratio."""
    for program in ("prometheus", "promtool"):
        if shutil.which(program) is None:
            raise FedsightError(f"{program} is not installed; run: apt-get install prometheus")
    figures: dict[str, object] = {}
    worst = 0.0
    sizes = QUICK_SERIES if quick else SERIES
    blocks = FEWEST_BLOCKS if quick else BLOCKS
    for series in sizes:
        say(f"{series} series")
        with tempfile.TemporaryDirectory() as folder:
            for name, (ours, theirs) in _asked(Path(folder), series, blocks, say).items():
                ratio = Spread.of(ratios(ours, theirs, float))
                worst = max(worst, ratio.median)
                figures[f"{series} series, {name}: our seconds"] = Spread.of(ours)
                figures[f"{series} series, {name}: their seconds"] = Spread.of(theirs)
                figures[f"{series} series, {name}: ratio"] = ratio
    target = at_most("the slowest query's time over Prometheus's", worst, MOST_TIMES)
    scale = {"series": list(sizes), "samples a series": TICKS, "step seconds": EVERY}
    return Findings({**scale, "blocks": blocks}, figures, [target])


def _asked(
    folder: Path, series: int, blocks: int, say: Say
) -> dict[str, tuple[list[float], list[float]]]:
    """For each query the seconds of ours and of theirs, block by block."""
    ours, theirs = _filled(folder, series)
    http = httpx.Client(timeout=60, trust_env=False)
    try:
        found = {}
        for name, query in QUERIES.items():
            arms: dict[str, Callable[[], float]] = {
                "ours": partial(_seconds, http, f"{ours.url}/prometheus", query),
                "theirs": partial(_seconds, http, theirs.url, query),
            }
            for arm in arms.values():
                arm()
            seconds = taking_turns(arms, blocks, lambda line, of=name: say(f"{of}: {line}"))
            found[name] = seconds["ours"], seconds["theirs"]
        return found
    finally:
        http.close()
        ours.stop()
        theirs.stop()


def _seconds(http: httpx.Client, url: str, query: str) -> float:
    where = {"query": query, "start": BEGIN + 60, "end": BEGIN + TICKS * EVERY, "step": EVERY}
    began = time.perf_counter()
    answer = http.get(f"{url}/api/v1/query_range", params=where)
    took = time.perf_counter() - began
    if answer.status_code != 200:
        raise FedsightError(f"{url} refuses {query}: {answer.text[:300]}")
    return took


def _filled(folder: Path, series: int) -> tuple[Ours, Process]:
    """Both stores, up, with the same samples."""
    own, other = folder / "ours", folder / "theirs"
    own.mkdir()
    _fill_ours(own, series)
    text = folder / "samples.om"
    text.write_text("\n".join([*_open_metrics(series), "# EOF", ""]))
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "-q", str(text), str(other)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise FedsightError(f"promtool: {done.stderr[-500:]}")
    return Ours(own), prometheus(other)


def _fill_ours(data: Path, series: int) -> None:
    filling = Ours(data)
    try:
        where = filling.address("/api/v1/ingest")
        for seq, record in enumerate(_records(series), 1):
            body = msgspec.json.encode(Shipment("j", seq, 1, [record]))
            url = f"{filling.url}/api/v1/ingest"
            sent = httpx.post(url, content=body, headers=where.headers, timeout=60, trust_env=False)
            sent.raise_for_status()
    finally:
        filling.stop()
    merge_ours(data)


def _labels(number: int) -> dict[str, str]:
    return {"run": f"r-{number % 10}", "node": f"client-{number:05d}"}


def _records(series: int) -> Iterator[Batch]:
    ticks = max(1, RECORD // series)
    for first in range(0, TICKS, ticks):
        yield batch(
            Sample((BEGIN + tick * EVERY) * 10**9, "load_total", tick * (n + 1.0), None, _labels(n))
            for tick in range(first, min(TICKS, first + ticks))
            for n in range(series)
        )


def _open_metrics(series: int) -> Iterator[str]:
    for n in range(series):
        labels = ",".join(f'{name}="{text}"' for name, text in _labels(n).items())
        for tick in range(TICKS):
            yield f"load_total{{{labels}}} {tick * (n + 1.0)} {BEGIN + tick * EVERY}"


if __name__ == "__main__":
    sys.exit(run("promql", measure))
