from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedsight.signals import Sample, batch
from tests.collector.server import Server
from tests.collector.shipments import SECOND, START, whole_run

RUN = "r-1"


@pytest.fixture(scope="module")
def filled(server: Server) -> Server:
    server.send(RUN, whole_run(RUN, ["a", "b"], rounds=4))
    steady = (
        Sample(START + at * SECOND, "steady_total", at, labels={"x": "1"}) for at in range(600)
    )
    server.send("j-steady", [batch(steady)])
    return server


def query(server: Server, **named: Any) -> Any:
    return server.get("/api/v1/query", params=named)


def refused(server: Server, **named: Any) -> tuple[int, str]:
    answer = server.http.get("/api/v1/query", params=named)
    error = answer.json()["error"]
    return answer.status_code, f"{error.get('field')}: {error['message']}"


def test_a_runs_samples_carry_their_rounds(filled: Server) -> None:
    answer = query(filled, name="fl_accuracy", run=RUN)
    assert answer["next"] is None
    assert answer["step"] is None
    (series,) = answer["series"]
    assert series["labels"] == {"run": RUN}
    assert series["rounds"] == [1, 2, 3, 4]
    assert series["values"] == [0.125, 0.25, 0.375, 0.5]
    assert series["times"][0] == "2026-11-22T09:52:01.000000Z"


def test_series_are_put_together_by_labels(filled: Server) -> None:
    asked: dict[str, Any] = {"labels": "__name__=~fl_client_train_.*", "run": RUN, "step": "1y"}
    apart = query(filled, aggregation="count", **asked)["series"]
    found = query(filled, aggregation="count", by="node", **asked)["series"]
    for each in found:
        mine = [s for s in apart if s["labels"]["node"] == each["labels"]["node"]]
        assert each["labels"].keys() == {"node"}
        assert each["values"] == [sum(s["values"][0] for s in mine)]
    assert {each["labels"]["node"] for each in found} == {"a", "b"}
    (one,) = query(filled, aggregation="count", group="count", **asked)["series"]
    assert one["values"] == [len(apart)]
    assert refused(filled, name="x", by="node") == (
        422,
        "by: by: only windows are put together: name a step or an aggregation",
    )
    assert refused(filled, name="x", step="1h", group="last")[0] == 422


def test_rounds_and_labels_narrow(filled: Server) -> None:
    found = query(
        filled,
        name="fl_client_train_seconds",
        run=RUN,
        labels="node=~b|c",
        from_round=2,
        to_round=3,
    )["series"]
    assert [(each["labels"]["node"], each["rounds"]) for each in found] == [("b", [2, 3])]


def test_windows(filled: Server) -> None:
    where = {"name": "steady_total", "from": "2026-11-22T09:52:00Z", "to": "2026-11-22T10:02:00Z"}
    answer = query(filled, **where, step="5m", aggregation="max", times="ns")
    assert (answer["step"], answer["aggregation"]) == (300.0, "max")
    (series,) = answer["series"]
    assert "rounds" not in series
    assert dict(zip(series["times"], series["values"], strict=True)) == {
        START - 120 * SECOND: 179.0,
        START + 180 * SECOND: 479.0,
        START + 480 * SECOND: 599.0,
    }
    rate = query(filled, **where, step="5m", aggregation="rate")["series"][0]["values"]
    assert rate == [1.0, 1.0, 1.0]


def test_pages_follow_each_other(filled: Server) -> None:
    where = {"name": "steady_total", "from": START // SECOND, "to": START // SECOND + 600}
    values, cursor, pages = [], None, 0
    while cursor is not None or pages == 0:
        answer = query(filled, **where, limit=100, **({"cursor": cursor} if cursor else {}))
        values += [value for each in answer["series"] for value in each["values"]]
        cursor, pages = answer["next"], pages + 1
    assert values == list(range(600))
    assert pages <= 12


def test_csv(filled: Server) -> None:
    where = {"name": "fl_client_samples", "run": RUN, "limit": 2}
    answer = filled.http.get("/api/v1/query", params=where, headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["Fedsight-Next"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["node"] for row in rows] == ["a", "b"]
    assert rows[0]["value"] == "10.0"
    assert rows[0]["round"] == "1"


def test_a_long_answer_is_sent_while_it_is_written(filled: Server) -> None:
    many = (Sample(START + at, "many", at) for at in range(30_000))
    filled.send("j-many", [batch(many)])
    where = {"name": "many", "from": START // SECOND, "to": START // SECOND + 1}
    with filled.http.stream("GET", "/api/v1/query", params=where) as answer:
        assert "content-length" not in answer.headers
        answer.read()
    assert answer.json()["series"][0]["values"] == list(range(30_000))
    with filled.http.stream("GET", "/api/v1/query", params={**where, "format": "csv"}) as answer:
        assert sum(1 for _ in answer.iter_lines()) == 30_001


def test_series_are_listed_in_pages(filled: Server) -> None:
    names = {"run": RUN, "labels": "node=~.+"}
    answer = filled.get("/api/v1/series", params=names)
    assert answer["total"] == len(answer["series"]) == 6
    second = filled.get("/api/v1/series", params={**names, "limit": 2, "offset": 1})
    assert second["series"] == answer["series"][1:3]
    assert (
        filled.get("/api/v1/series", params={**names, "to": "2000-01-01T00:00:00Z"})["total"] == 0
    )


def test_what_is_wrong_is_named(filled: Server) -> None:
    assert refused(filled)[1].startswith("name: name: name a metric")
    assert refused(filled, name="x", run="r-9") == (404, "None: there is no run 'r-9'")
    status, said = refused(filled, name="x", step="1s", **{"from": "10y"})
    assert (status, "use step=12h" in said) == (422, True)
    status, said = refused(filled, name="x", labels="a=~(")
    assert (status, said.startswith("labels: labels: must be an RE2 pattern")) == (422, True)
    assert refused(filled, name="x", aggregation="median")[1].startswith("aggregation:")


KEYS = ("name", "labels", "run", "from", "to", "step", "aggregation", "limit", "cursor", "times")
plausible = st.sampled_from(
    [
        "x",
        "a=~(",
        "a=~b",
        "r-1",
        "1h",
        "now",
        "10y",
        "1s",
        "rate",
        "5",
        "1-2",
        "ns",
        "\x00",
        "a{9999}",
    ]
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.dictionaries(st.sampled_from(KEYS), plausible | st.text(max_size=20), max_size=6))
def test_no_query_is_a_fault(filled: Server, named: dict[str, str]) -> None:
    answer = filled.http.get("/api/v1/query", params=named)
    assert answer.status_code in (200, 404, 422), answer.text


def test_what_is_at_hand_is_the_same_answer(filled: Server) -> None:
    hour = {"from": "2026-11-22T09:00:00Z", "to": "2026-11-22T10:00:00Z"}
    asked = {"name": "fl_accuracy", "labels": f"run={RUN}", **hour}
    answers = {filled.http.get("/api/v1/query", params=asked).content for _ in range(4)}
    assert len(answers) == 1
    assert refused(filled, name="fl_accuracy", labels="run=~[")[0] == 422
    assert refused(filled, name="fl_accuracy", run="r-none")[0] == 404
