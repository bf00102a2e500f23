from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedsight.signals import batch
from tests.collector.promql.data import samples
from tests.collector.server import Server
from tests.collector.shipments import SECOND, START

BEGIN = START // SECOND
API = "/prometheus/api/v1"


@pytest.fixture(scope="module")
def filled(server: Server) -> Server:
    server.send("j-promql", [batch(samples())])
    return server


def data(server: Server, path: str, **named: Any) -> Any:
    answer = server.get(f"{API}/{path}", params=named)
    assert answer["status"] == "success"
    return answer["data"]


def refused(server: Server, path: str, **named: Any) -> tuple[int, str, str]:
    answer = server.http.get(f"{API}/{path}", params=named)
    body = answer.json()
    assert body["status"] == "error"
    return answer.status_code, body["errorType"], body["error"]


def test_an_instant_query(filled: Server) -> None:
    found = data(filled, "query", query='sum by (node) (load{run="r-1"} > -9)', time=BEGIN + 500)
    assert found["resultType"] == "vector"
    assert [row["metric"] for row in found["result"]] == [
        {"node": "a"},
        {"node": "b"},
        {"node": "c"},
    ]
    assert data(filled, "query", query="1+1", time=5) == {
        "resultType": "scalar",
        "result": [5.0, "2"],
    }


def test_a_range_query(filled: Server) -> None:
    where = {"query": "memory", "start": BEGIN - 30, "end": BEGIN + 30, "step": "15s"}
    (row,) = data(filled, "query_range", **where)["result"]
    assert row["metric"] == {"__name__": "memory", "node": "a"}
    assert row["values"] == [[BEGIN, "8"], [BEGIN + 15, "8"], [BEGIN + 30, "8"]]


def test_a_long_answer_is_sent_while_it_is_written(filled: Server) -> None:
    where = {"query": "load", "start": BEGIN, "end": BEGIN + 2400, "step": 1}
    with filled.http.stream("GET", f"{API}/query_range", params=where) as answer:
        assert "content-length" not in answer.headers
        answer.read()
    assert len(answer.json()["data"]["result"]) == 6


def test_a_form_reads_as_an_address_does(filled: Server) -> None:
    where = {"query": "memory", "start": str(BEGIN), "end": str(BEGIN + 60), "step": "60"}
    posted = filled.http.post(f"{API}/query_range", data=where)
    assert posted.status_code == 200
    assert posted.json()["data"] == data(filled, "query_range", **where)
    foreign = filled.http.post(
        f"{API}/query_range", data=where, headers={"Origin": "http://elsewhere.example"}
    )
    assert foreign.status_code == 403


def test_labels_values_and_series(filled: Server) -> None:
    chosen = {"match[]": ["load", "memory"]}
    assert data(filled, "labels", **chosen) == ["__name__", "node", "run"]
    assert data(filled, "label/node/values") == ["a", "b", "c"]
    assert data(filled, "label/node/values", **{"match[]": "bytes_total"}) == ["a", "b"]
    assert data(filled, "label/__name__/values", **chosen) == ["load", "memory"]
    assert data(filled, "label/none/values") == []
    found = data(filled, "series", **{"match[]": ['memory{node="a"}', "once"]})
    assert found == [{"__name__": "memory", "node": "a"}, {"__name__": "once"}]
    early = {"match[]": "load", "end": BEGIN - 1}
    assert data(filled, "series", **early) == []
    assert data(filled, "labels", limit=1) == ["__name__"]


def test_what_is_known_of_metrics_and_of_the_server(filled: Server) -> None:
    known = data(filled, "metadata", metric="bytes_total")
    assert known == {"bytes_total": [{"type": "counter", "help": "", "unit": ""}]}
    assert data(filled, "metadata")["load"][0]["type"] == "unknown"
    assert data(filled, "status/buildinfo")["application"].startswith("fedsight ")


def test_what_does_not_parse_is_bad_data(filled: Server) -> None:
    assert refused(filled, "query", query="sum(")[:2] == (400, "bad_data")
    assert refused(filled, "query")[:2] == (400, "bad_data")
    assert refused(filled, "query", query="1", time="noon")[:2] == (400, "bad_data")
    assert refused(filled, "query_range", query="1", start=5, end=1, step=1)[:2] == (
        400,
        "bad_data",
    )
    assert refused(filled, "query_range", query="load[1m]", start=1, end=5, step=1)[0] == 400
    assert refused(filled, "series")[2] == "no match[] parameter provided"
    assert refused(filled, "series", **{"match[]": "load[5m]"})[:2] == (400, "bad_data")
    assert refused(filled, "query", query='{a="b" or c="d"}')[:2] == (400, "bad_data")


@pytest.mark.parametrize(
    "query",
    [
        "max_over_time(load[5m:1m])",
        "load[5m:1m]",
        "deriv(load[5m])",
        'label_replace(load, "a", "$1", "b", "(.*)")',
        'count_values("v", load)',
        "load atan2 load",
        "hour(load)",
    ],
)
def test_what_is_not_evaluated_says_so(filled: Server, query: str) -> None:
    status, kind, said = refused(filled, "query", query=query, time=BEGIN)
    assert (status, kind) == (422, "execution")
    assert "docs/queries.md" in said


def test_ten_years_in_seconds_are_refused_with_a_step_that_fits(filled: Server) -> None:
    where = {"query": "load", "start": 0, "end": 315_360_000, "step": 1}
    status, kind, said = refused(filled, "query_range", **where)
    assert (status, kind) == (400, "bad_data")
    step = int(said.partition("step=")[2].partition(" ")[0])
    data(filled, "query_range", **{**where, "step": step})


@pytest.mark.parametrize(
    "query", ["(" * 9000 + "1" + ")" * 9000, "1" + "+1" * 5000, "sum(" * 3000, "-" * 9000 + "1"]
)
def test_what_would_overflow_the_parsers_stack_never_reaches_it(filled: Server, query: str) -> None:
    answer = filled.http.post(f"{API}/query", data={"query": query})
    assert answer.json()["errorType"] == "bad_data"
    assert data(filled, "query", query="1", time=5)["resultType"] == "scalar"


pieces = st.sampled_from(
    [
        "load",
        "sum",
        "by",
        "(",
        ")",
        "[5m]",
        "{",
        "}",
        'a="b"',
        "=~",
        '"',
        "'",
        "`",
        "#",
        "\n",
        "\r",
        "+",
        "-",
        "^",
        "offset",
        "@",
        "1",
        "1e9",
        "on",
        "group_left",
        "rate",
        ",",
        "topk",
        "bool",
        "or",
    ]
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(pieces, max_size=12).map(" ".join) | st.text(max_size=30))
def test_no_expression_is_a_fault(filled: Server, query: str) -> None:
    answer = filled.http.post(f"{API}/query", data={"query": query, "time": str(BEGIN + 60)})
    assert answer.status_code in (200, 400, 422), answer.text


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.tuples(*[st.text(max_size=12) | st.sampled_from(["1", "1e3", "5m", "nan", "-1"])] * 3))
def test_no_range_is_a_fault(filled: Server, where: tuple[str, str, str]) -> None:
    named = dict(zip(("start", "end", "step"), where, strict=True))
    answer = filled.http.get(f"{API}/query_range", params={"query": "load", **named})
    assert answer.status_code in (200, 400, 422), answer.text


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(["labels", "series", "label/node/values"]),
    st.dictionaries(
        st.sampled_from(["match[]", "start", "end", "limit"]),
        st.sampled_from(["load", '{a=~"("}', "1", "-1", "nan"]) | st.text(max_size=12),
    ),
)
def test_no_selector_is_a_fault(filled: Server, path: str, named: dict[str, str]) -> None:
    answer = filled.http.get(f"{API}/{path}", params=named)
    assert answer.status_code in (200, 400, 422), answer.text


def test_a_browsers_page_of_another_site_reads_nothing(filled: Server) -> None:
    answer = httpx.get(
        f"{filled.url}{API}/labels", headers={"Host": "evil.example"}, trust_env=False
    )
    assert answer.status_code == 403
