"""A real Prometheus over given samples, and answers of its API in a form that can be compared."""

from __future__ import annotations

import math
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from fedsight.signals import Sample

READY_SECONDS = 30


def open_metrics(samples: Iterable[Sample]) -> str:
    """OpenMetrics text, series by series, as promtool imports it."""
    lines = []
    for each in sorted(samples, key=lambda one: (one.name, sorted(one.labels.items()), one.time)):
        labels = ",".join(f'{name}="{text}"' for name, text in each.labels.items())
        milliseconds = each.time // 10**6
        seconds = f"{milliseconds // 1000}.{milliseconds % 1000:03d}"
        lines.append(f"{each.name}{{{labels}}} {each.value!r} {seconds}")
    return "\n".join([*lines, "# EOF", ""])


@contextmanager
def prometheus(folder: Path, samples: Iterable[Sample]) -> Iterator[str]:
    """The address of a Prometheus that holds the samples; it ends with the context."""
    text, data, config = folder / "samples.om", folder / "data", folder / "prometheus.yml"
    text.write_text(open_metrics(samples))
    config.write_text("{}\n")
    made = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "-q", str(text), str(data)]
    subprocess.run(made, check=True, capture_output=True, timeout=60)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        "--storage.tsdb.retention.time=100y",
        f"--web.listen-address={address}",
        "--enable-feature=promql-at-modifier,promql-negative-offset",
    ]
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait(f"http://{address}", process, folder / "prometheus.log")
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(20)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(READY_SECONDS * 10):
        if process.poll() is not None:
            break
        try:
            if httpx.get(f"{url}/-/ready", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(log.read_text())


Comparable = dict[str, Any]


def comparable(answer: dict[str, Any]) -> Comparable:
    """An answer as {series: {time: value}}, or that there was an error."""
    if answer["status"] == "error":
        return {"error": True}
    data = answer["data"]
    if data["resultType"] in ("scalar", "string"):
        return {data["resultType"]: {data["result"][0]: _value(data["result"][1])}}
    found: Comparable = {}
    for row in data["result"]:
        points = row["values"] if "values" in row else [row["value"]]
        name = ",".join(f"{label}={text}" for label, text in sorted(row["metric"].items()))
        found[name] = {time: _value(value) for time, value in points}
    return found


def _value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def difference(ours: Comparable, theirs: Comparable) -> str:
    """What is not the same, in words; empty where nothing is."""
    if ours.keys() != theirs.keys():
        return f"series {sorted(ours)} are not {sorted(theirs)}"
    for name, points in theirs.items():
        if name == "error":
            continue
        if ours[name].keys() != points.keys():
            return f"{name}: times differ: {sorted(ours[name].keys() ^ points.keys())[:5]}"
        for at, value in points.items():
            if not same(ours[name][at], value):
                return f"{name} at {at}: {ours[name][at]!r} is not {value!r}"
    return ""


def same(one: float | str, other: float | str) -> bool:
    """Equal, or equal but for rounding."""
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return one == other or math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
