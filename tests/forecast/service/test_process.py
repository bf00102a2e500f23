"""The forecaster as a process that is killed, beside a real collector."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from fedsight.door.times import rfc3339
from fedsight.forecast.derived import chosen
from tests.dashboard.collector import CollectorProcess
from tests.dashboard.forecaster import ForecasterProcess, keep_model, rows, slots, untrained

pytestmark = pytest.mark.slow

PATIENCE = 30.0


def until(true: Callable[[], bool], what: Callable[[], str]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, f"never seen: {what()}"
        time.sleep(0.05)


def origin(forecaster: ForecasterProcess) -> str | None:
    """The last row that the newest forecast knew."""
    answer = httpx.get(f"{forecaster.address}/forecast", trust_env=False, timeout=10).json()
    last: str | None = answer["nodes"][0]["last_row"] if answer["nodes"] else None
    return last


def looked(forecaster: ForecasterProcess, wanted: str) -> bool:
    return origin(forecaster) == wanted


def points(client: httpx.Client, name: str, **labels: str) -> dict[int, float]:
    """A series by time; a time that comes twice would be a mistake of the store."""
    named = ",".join(f"{key}={value}" for key, value in labels.items())
    query = {"name": name, "labels": named, "from": "2h", "to": "4102444800", "times": "ns"}
    answer = client.get("/api/v1/query", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["series"]
    assert len(found) <= 1
    return dict(zip(found[0]["times"], found[0]["values"], strict=True)) if found else {}


def test_killed_at_any_moment_no_forecast_and_no_error_is_lost_or_doubled(tmp_path: Path) -> None:
    data = tmp_path / "data"
    times = slots(120)
    collector = CollectorProcess(data)
    keep_model(data, untrained())
    forecaster = ForecasterProcess(data, collector.port)
    try:
        for at, end in enumerate(range(40, 140, 20)):
            forecaster.add("edge-1", times[:end], 1)
            if at % 2:
                time.sleep(0.2 * at)  # somewhere in a look, or between two
                forecaster.kill()
                forecaster.start()
            else:
                until(partial(looked, forecaster, rfc3339(int(times[end - 1]))), lambda: "a look")
        with collector.client() as client:
            check(client, {int(each) for each in times[:end]})
    finally:
        forecaster.kill()
        collector.stop()


def check(client: httpx.Client, there: set[int]) -> None:
    """Every forecast whose row is there has its error, and that is the right one."""
    labels = {"node": "edge-1", "metric": "cpu_usage", "horizon": "10"}

    def foreseen() -> dict[int, float]:
        told = points(client, "forecast_value", **labels, quantile="0.5")
        return {time: value for time, value in told.items() if time in there}

    def errors() -> dict[int, float]:
        return points(client, "forecast_absolute_error", **labels, method="model")

    until(
        lambda: len(foreseen()) > 1 and foreseen().keys() == errors().keys(),
        lambda: f"{sorted(foreseen())} {sorted(errors())}",
    )
    actual = chosen(rows(slots(400), 1), ("cpu_usage",))["cpu_usage"]
    wrong = errors()
    for at, value in foreseen().items():
        assert wrong[at] == pytest.approx(abs(value - actual[at]))
