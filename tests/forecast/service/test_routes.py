"""The forecaster's HTTP API over a real socket."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from fedsight.door.times import parse_rfc3339
from fedsight.forecast.service.application import create_app
from fedsight.forecast.service.rows import NodeForecast, Quality
from tests.federated.api.asked import listened
from tests.forecast.service.made import METRICS, STEP, Made, slots

PATIENCE = 10.0


@dataclass
class Asked:
    """A forecaster that looks by itself, and answers to requests."""

    made: Made
    http: httpx.Client

    def get(self, path: str, status: int = 200, **query: Any) -> Any:
        """The JSON of an answer."""
        answer = self.http.get(path, params=query)
        assert answer.status_code == status, answer.text
        return answer.json()

    def error(self, path: str, status: int, **query: Any) -> dict[str, Any]:
        """The error of a refusal."""
        found: dict[str, Any] = self.get(path, status, **query)["error"]
        return found

    def until_ready(self, *nodes: str) -> dict[str, Any]:
        """The list of nodes, once these have a forecast."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            found: dict[str, Any] = self.get("/forecast")
            ready = {one["node"] for one in found["nodes"] if one["standing"] == "ready"}
            if set(nodes) <= ready:
                return found
            time.sleep(0.01)
        raise AssertionError(f"still {found}")


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Asked]:
    made = Made(tmp_path)
    made.again(interval=0.02).look()
    with (
        listened(create_app(made.service, "the-token")) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE) as http,
    ):
        yield Asked(made, http)


def test_a_forecast_has_times_values_unit_version_and_what_it_rests_on(asked: Asked) -> None:
    times = slots(60)
    asked.made.add("n-1", times)
    asked.until_ready("n-1")
    answer = asked.get("/forecast/n-1")
    assert msgspec.convert(answer, NodeForecast).model == "r-aaaaaaaa/1"
    assert answer["method"] == "model"  # 60 rows tell nothing of a mixture yet
    assert answer["forecasts"][0]["model_shares"] is None
    assert answer["forecasts"][0]["level_rows"] == 30
    assert (answer["rows_used"], answer["horizon"], answer["step_seconds"]) == (30, 20, 3.0)
    assert [one["metric"] for one in answer["forecasts"]] == list(METRICS)
    one = answer["forecasts"][1]
    assert parse_rfc3339(one["times"][0]) == times[-1] + STEP
    assert set(one["quantiles"]) == {"0.1", "0.5", "0.9"}
    assert all(len(line) == 20 for line in one["quantiles"].values())
    assert one["unit"] is None
    assert one["calibration"] == {"target": 0.8, "coverage": None, "scored": 0}
    assert len(one["observed"]["times"]) == len(one["observed"]["values"]) == 60
    assert abs(one["quantiles"]["0.5"][0] - 100) < 60


def test_metric_and_horizon_are_chosen_and_checked(asked: Asked) -> None:
    asked.made.add("n-1", slots(60))
    asked.until_ready("n-1")
    answer = asked.get("/forecast/n-1", metric="load", horizon=5)
    assert [len(one["times"]) for one in answer["forecasts"]] == [5]
    refused = asked.error("/forecast/n-1", 422, metric="voltage")
    assert (refused["field"], "load, power" in refused["message"]) == ("metric", True)
    assert asked.error("/forecast/n-1", 422, horizon=21)["field"] == "horizon"
    assert asked.error("/forecast/n-1", 422, horizon=0)["field"] == "horizon"


def test_a_node_that_is_not_known_is_404_with_those_that_are(asked: Asked) -> None:
    message = asked.error("/forecast/nobody", 404)["message"]
    assert message == "no node 'nobody' has a window; there is none yet"
    asked.made.add("n-1", slots(60))
    asked.until_ready("n-1")
    assert asked.error("/forecast/nobody", 404)["message"].endswith("there are n-1")
    assert asked.error("/forecast/quality", 404, node="nobody")["code"] == "not_found"


def test_too_few_rows_are_409_with_how_many(asked: Asked) -> None:
    asked.made.add("young", slots(12))
    asked.made.add("full", slots(60))
    asked.until_ready("full")
    refused = asked.error("/forecast/young", 409)
    assert refused["code"] == "few_rows"
    assert refused["message"] == "young has 12 rows, a forecast needs 30"


def test_without_a_model_all_is_503_with_the_reason(tmp_path: Path) -> None:
    made = Made(tmp_path)
    made.versions.now = None
    made.again(interval=60)
    with (
        listened(create_app(made.service, "the-token")) as url,
        httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE) as http,
    ):
        asked = Asked(made, http)
        assert asked.error("/forecast/n-1", 503)["code"] == "no_model"
        assert asked.error("/forecast/quality", 503)["code"] == "no_model"
        answer = asked.get("/forecast")
        assert (answer["model"], answer["nodes"], answer["metrics"]) == (None, [], [])
        health = asked.get("/health")
        assert health["status"] == "degraded"
        assert "model" in health["components"]["model"]["error"]


def test_quality_stands_beside_two_baselines(asked: Asked) -> None:
    times = slots(60)
    asked.made.add("n-1", times[:40])
    asked.until_ready("n-1")
    asked.made.add("n-1", times[40:])
    deadline = time.monotonic() + PATIENCE
    while not (answer := asked.get("/forecast/quality"))["total"]:
        assert time.monotonic() < deadline
    assert msgspec.convert(answer, Quality).target == 0.8
    assert answer["retrain"] == "suggest"
    assert answer["drift"]["threshold"] == 1.5
    load = answer["metrics"][0]
    assert [one["horizon"] for one in load["horizons"]] == [1, 2, 3, 5, 7, 10, 15, 20]
    first = load["horizons"][0]
    assert first["persistence"]["mase"] == pytest.approx(1.0)
    assert first["model"]["rmse"] == pytest.approx(first["model"]["mae"])
    assert load["nodes"][0]["node"] == "n-1"
    assert load["nodes"][0]["horizons"] == load["horizons"]
    one = asked.get("/forecast/quality", metric="power", node="n-1")
    assert [each["metric"] for each in one["metrics"]] == ["power"]
    assert asked.get("/forecast/quality", offset=1)["metrics"][0]["nodes"] == []


def test_the_list_says_how_each_node_stands(asked: Asked) -> None:
    asked.made.add("n-1", slots(60))
    answer = asked.until_ready("n-1")
    node = answer["nodes"][0]
    assert (node["rows"], node["wanted"], node["personal"]) == (60, 30, False)
    assert [one["metric"] for one in node["outlook"]] == list(METRICS)
    assert answer["model"]["horizon"] == 20


def test_a_node_called_quality_is_listed_and_told_but_its_route_is_that_of_errors(
    asked: Asked,
) -> None:
    asked.made.add("quality", slots(60))
    asked.until_ready("quality")
    answer = asked.get("/forecast/quality", node="quality")
    assert "metrics" in answer
    assert "forecasts" not in answer
    assert {each.labels["node"] for each in asked.made.samples} == {"quality"}


def test_figures_for_prometheus_and_the_document(asked: Asked) -> None:
    asked.made.add("n-1", slots(60))
    asked.until_ready("n-1")
    page = asked.http.get("/metrics").text
    assert "forecast_nodes_ready 1\n" in page
    assert "forecast_model_seconds " in page
    paths = asked.get("/openapi.json")["paths"]
    assert {"/forecast", "/forecast/{node}", "/forecast/quality"} <= set(paths)


def test_other_hosts_and_changes_are_refused(asked: Asked) -> None:
    assert asked.http.get("/forecast", headers={"Host": "evil.example"}).status_code == 403
    assert asked.http.post("/forecast", json={}).status_code == 401
