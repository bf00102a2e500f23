"""The same questions to our evaluation and to a real Prometheus that holds the same samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedsight.collector.store.fake_samples import MemorySamples
from tests.collector.promql.asking import asked, asked_range
from tests.collector.promql.data import samples
from tests.collector.promql.prometheus import comparable, difference, prometheus
from tests.collector.shipments import SECOND, START

BEGIN = START // SECOND
OURS = MemorySamples(samples())

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with (
        prometheus(tmp_path_factory.mktemp("prometheus"), samples()) as url,
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        yield client


def differences(theirs: httpx.Client, query: str, *, step: float = 37) -> list[str]:
    """What is not the same at three times, and over a range that begins before all samples."""
    found = []
    for time in (BEGIN + 100.5, BEGIN + 1000, BEGIN + 2200):
        answer = theirs.get("/api/v1/query", params={"query": query, "time": time}).json()
        found.append(difference(comparable(asked(OURS, query, time)), comparable(answer)))
    if not query.endswith("]") and query != '"text"':
        where: dict[str, Any] = {"start": BEGIN - 60, "end": BEGIN + 2800, "step": step}
        answer = theirs.get("/api/v1/query_range", params={"query": query, **where}).json()
        ours = asked_range(OURS, query, **where)
        found.append(difference(comparable(ours), comparable(answer)))
    return [each for each in found if each]


EXPRESSIONS = (
    "load",
    'load{node="a"}',
    'load{node!="a",run=~"r-.*"}',
    'load{run!~".*2"}',
    'load{missing=""}',
    '{__name__=~"load|memory"}',
    "nothing",
    "load offset 5m",
    "load offset -2m",
    "load @ 1795341620",
    "load @ start()",
    "load @ end() offset 1m",
    "once",
    "load[2m]",
    "rate(bytes_total[1m])",
    "rate(bytes_total[5m])",
    "rate(bytes_total[20s])",
    "increase(bytes_total[3m] offset 1m)",
    "increase(bytes_total[90s] @ 1795341920)",
    "delta(load[4m])",
    "irate(bytes_total[2m])",
    "idelta(load[2m])",
    "changes(memory[5m])",
    "changes(load[5m])",
    "resets(bytes_total[10m])",
    "avg_over_time(load[3m])",
    "min_over_time(load[3m])",
    "max_over_time(load[3m])",
    "sum_over_time(load[3m])",
    "count_over_time(load[3m])",
    "last_over_time(load[3m])",
    "present_over_time(load[3m])",
    "stddev_over_time(load[3m])",
    "stdvar_over_time(load[3m])",
    "quantile_over_time(0.9, load[5m])",
    "quantile_over_time(2, load[5m])",
    'rate({__name__=~"bytes_total|load"}[2m])',
    "sum(load)",
    "sum by (node) (load)",
    "sum by (missing) (load)",
    "sum without (node) (load)",
    "avg by (run) (load)",
    "min without (run) (load)",
    "max by (node) (load)",
    "count(load) by (node)",
    "stddev(load)",
    "stdvar by (run) (load)",
    "group by (node) (load)",
    "quantile(0.25, load)",
    "quantile by (run) (0.5, load)",
    "topk(2, load)",
    "topk by (run) (1, load)",
    "bottomk(3, load)",
    "topk(0, load)",
    "bottomk(1, exp(load))",
    "-load",
    "+load",
    "load * 2",
    "2 - load",
    "load / 0",
    "load % 0.7",
    "7 % 3",
    "-7 % 3",
    "2 ^ load",
    "load ^ 0.5",
    "load > 0",
    "0.5 < load",
    "load > bool 0",
    "load == load",
    "load != bool load",
    "1 == bool 1",
    "1 + 2 * 3 ^ 2 ^ 0.5",
    "-2 ^ 2",
    "1 / 0",
    "0 / 0",
    "load + load",
    "load + on (node, run) load",
    'load{run="r-1"} - on (node) load{run="r-2"}',
    'load{run="r-1"} - ignoring (run) load{run="r-2"}',
    "load * on (node) group_left memory",
    "load * on (node) group_left (way) memory",
    "memory * on (node) group_right load",
    "bytes_total / on (node) group_left (run) load",
    "load + on (node) memory",
    "load > on (node) group_left memory",
    "memory > on (node) group_right load",
    "load and memory",
    "load and on (node) memory",
    "load unless on (node) memory",
    "load or memory",
    'load{node="c"} or on (node) load{node="a"}',
    "vector(1) or load",
    "sum(rate(bytes_total[2m])) by (node) / on (node) memory",
    "abs(load)",
    "ceil(load)",
    "floor(load)",
    "round(load)",
    "round(load, 0.5)",
    "exp(load)",
    "ln(load)",
    "log2(load)",
    "log10(load)",
    "sqrt(load)",
    "sgn(load)",
    "clamp(load, -1, 1)",
    "clamp(load, 1, -1)",
    "clamp_min(load, 0)",
    "clamp_max(load, 0)",
    "scalar(memory)",
    "scalar(load)",
    "load - scalar(memory)",
    "vector(time())",
    "time()",
    "timestamp(load)",
    "timestamp(load * 1)",
    "timestamp(load offset 1m)",
    "absent(nothing)",
    'absent(nothing{node="a",run=~"x"})',
    'absent(load{node="c"})',
    "absent(sum(nothing))",
    "sort(load)",
    "sort_desc(load)",
    'label_join(load, "both", "/", "node", "run")',
    'label_join(load, "node", "")',
    "histogram_quantile(0.9, took_bucket)",
    "histogram_quantile(0.5, sum by (le) (rate(took_bucket[5m])))",
    "histogram_quantile(0.99, rate(took_bucket[2m]))",
    "histogram_quantile(1.5, took_bucket)",
    "histogram_quantile(0.5, load)",
    '"text"',
    "42",
    "NaN",
    "sum(load) > 0 and sum(load) < 5",
    "avg_over_time(load[2m]) > on (node) group_left avg by (node) (load)",
    "count(load > 0) or vector(0)",
)


@pytest.mark.parametrize("query", EXPRESSIONS)
def test_the_answer_is_prometheuss(theirs: httpx.Client, query: str) -> None:
    assert differences(theirs, query) == []


@pytest.mark.parametrize(
    "query", ["topk(4, load)", "sort(load)", "sort_desc(-load)", "bottomk(5, load)"]
)
def test_the_order_is_prometheuss(theirs: httpx.Client, query: str) -> None:
    where = {"query": query, "time": BEGIN + 500}
    answer = theirs.get("/api/v1/query", params=where).json()
    assert asked(OURS, query, BEGIN + 500) == answer


@pytest.mark.parametrize(
    "query",
    ["load[", "sum(", "load + on () load", "topk(load, 1)", "rate(load)", 'load{a=~"("}', ""],
)
def test_what_it_refuses_we_refuse(theirs: httpx.Client, query: str) -> None:
    answer = theirs.get("/api/v1/query", params={"query": query, "time": BEGIN + 500})
    ours = asked(OURS, query, BEGIN + 500)
    assert ours["status"] == "error"
    assert ours["errorType"] == answer.json()["errorType"]


selectors = st.sampled_from(
    ["load", 'load{node="a"}', 'load{run=~"r-1|x"}', "bytes_total", "memory", "once", "nothing"]
)
offsets = st.sampled_from(["", "", " offset 90s", " offset -1m", " @ 1795341500"])
numbers = st.sampled_from(["0", "1", "2.5", "-3", "0.1"])
label_lists = st.sampled_from(["()", "(node)", "(run)", "(node, run)", "(way, node)", "(missing)"])
by = st.tuples(st.sampled_from(["by", "without"]), label_lists).map(" ".join) | st.just("")
over_range = st.builds(
    "{}({}[{}]{})".format,
    st.sampled_from(["rate", "increase", "delta", "irate", "idelta", "changes", "resets"])
    | st.sampled_from(["avg", "min", "max", "sum", "count", "last", "stddev"]).map(
        "{}_over_time".format
    ),
    selectors,
    st.sampled_from(["31s", "1m", "5m", "12m"]),
    offsets,
)
raw = st.builds("{}{}".format, selectors, offsets)
#: Comparisons stand between samples only: where both sides are computed, rounding decides.
filtered = st.builds(
    "({} {} {})".format, raw, st.sampled_from(["> bool", "<", ">=", "== bool", "!="]), numbers | raw
)
matching = st.sampled_from(
    [
        "",
        "on (node)",
        "ignoring (run)",
        "on (node) group_left",
        "on (node) group_right (run)",
        "ignoring (run, way) group_left",
        "on ()",
    ]
)


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Expressions around others."""
    aggregations = st.sampled_from(["sum", "avg", "min", "max", "count", "stdvar", "group"])
    functions = st.sampled_from(["abs", "sqrt", "exp", "-", "vector(1) -", "0.5 +", "2 *"])
    arithmetic = st.sampled_from(["+", "-", "*", "/"])
    return st.one_of(
        st.builds("{} {} ({})".format, aggregations, by, inner),
        st.builds("quantile {} (0.3, {})".format, by, inner),
        st.builds("{} ({})".format, functions, inner),
        st.builds("({} {} {})".format, inner, arithmetic, numbers),
        st.builds("({} {} {} {})".format, inner, arithmetic, matching, inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or", "unless"]), inner),
        st.builds(
            "({} {} on {} {})".format,
            inner,
            st.sampled_from(["and", "or", "unless"]),
            label_lists,
            inner,
        ),
        st.builds(
            "histogram_quantile(0.7, sum by (le) ({}))".format, st.just("took_bucket") | inner
        ),
        st.builds("({} * scalar({}))".format, inner, inner),
    )


expressions = st.recursive(raw | over_range | filtered, grown, max_leaves=5)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(expressions, st.sampled_from([13, 60, 61.5, 400]))
def test_any_expression_has_prometheuss_answer(
    theirs: httpx.Client, query: str, step: float
) -> None:
    assert differences(theirs, query, step=step) == []
