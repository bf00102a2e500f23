"""Every bad body gets its status, names its field, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.collector.server import Server
from tests.collector.shipments import START, shipment, whole_run

SERIES = [{"name": "fl_accuracy", "labels": {"run": "r-1"}}]
COUNT = [{"name": "fl_client_samples", "labels": {"run": "r-1", "node": "a"}}]
SAMPLES = {"series": SERIES, "index": [0], "time": [START], "value": [0.5], "round": [1]}
EVENT = {"time": START, "source": "federated", "kind": "RUN_STARTED", "run": "r-9"}
SPAN = ["r-1", 1, "a", "train", 10, 20, True]


def body(**change: Any) -> bytes:
    whole = {"journal": "bad", "first_seq": 1, "oldest_seq": 1, "records": []}
    return msgspec.json.encode({**whole, **change})


def samples(**change: Any) -> bytes:
    return body(records=[{"samples": {**SAMPLES, **change}}])


def event(**change: Any) -> bytes:
    return body(records=[{}, {"events": [{**EVENT, **change}]}])


BAD = {
    "not JSON": (b"{", 400, None),
    "not UTF-8": (b'{"journal": "\xff"}', 400, None),
    "nested without end": (b'{"x":' + b"[" * 100_000, 400, None),
    "empty": (b"", 400, None),
    "a list": (b"[]", 422, "body"),
    "no journal": (b'{"first_seq": 1, "oldest_seq": 1, "records": []}', 422, "journal"),
    "empty journal": (body(journal=""), 422, "journal"),
    "seq zero": (body(first_seq=0), 422, "first_seq"),
    "seq beyond 2^53": (body(first_seq=2**53 + 1, oldest_seq=2**53 + 1), 422, "first_seq"),
    "seq no integer": (body(oldest_seq="x"), 422, "oldest_seq"),
    "seq beyond 64 bits": (body(first_seq=10**30), 422, "first_seq"),
    "negative time": (
        samples(index=[0, 0], time=[START, -1], value=[1, 1], round=[1, 1]),
        422,
        "records[0].samples.time[1]",
    ),
    "time after 2200": (samples(time=[8 * 10**18]), 422, "records[0].samples.time[0]"),
    "value no number": (samples(value=["x"]), 422, "records[0].samples.value[0]"),
    "value null": (samples(value=[None]), 422, "records[0].samples.value[0]"),
    "value too large": (
        samples().replace(b"0.5", b"1e999"),
        422,
        "records[0].samples.value[0]",
    ),
    "negative round": (samples(round=[-1]), 422, "records[0].samples.round[0]"),
    "columns of two lengths": (samples(round=[]), 422, "records[0].samples"),
    "index outside": (samples(index=[1]), 422, "records[0].samples"),
    "metric name": (
        samples(series=[{"name": "a b", "labels": {}}]),
        422,
        "records[0].samples.series[0].name",
    ),
    "a share of a sample": (
        samples(series=COUNT, value=[1.5]),
        422,
        "records[0].samples.value[0]",
    ),
    "fewer than no samples": (
        samples(series=COUNT, value=[-1]),
        422,
        "records[0].samples.value[0]",
    ),
    "event without time": (
        body(records=[{"events": [{"source": "a", "kind": "B"}]}]),
        422,
        "records[0].events[0].time",
    ),
    "rounds no number": (
        event(details={"rounds": "ten"}),
        422,
        "records[1].events[0].details.rounds",
    ),
    "node no text": (
        event(details={"nodes": ["a", 1]}),
        422,
        "records[1].events[0].details.nodes[1]",
    ),
    "no such end": (
        event(kind="RUN_ENDED", details={"state": "gone"}),
        422,
        "records[1].events[0].details.state",
    ),
    "another run's id": (event(run="r-1"), 422, "records[1].events[0].run"),
    "span that ends early": (
        body(records=[{"spans": [[*SPAN[:4], 20, 10, True]]}]),
        422,
        "records[0].spans[0]",
    ),
    "no such phase": (
        body(records=[{"spans": [[*SPAN[:3], "lunch", 10, 20, True]]}]),
        422,
        "records[0].spans[0][3]",
    ),
    "a good record before a bad one": (
        body(records=[{"samples": SAMPLES}, {"samples": {**SAMPLES, "time": [-1]}}]),
        422,
        "records[1].samples.time[0]",
    ),
}


@pytest.fixture(scope="module")
def holding(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data: Path = tmp_path_factory.mktemp("bad")
    with Server(data) as running:
        running.send("j", whole_run("r-1", ["a", "b"]))
        yield running


def stored(server: Server) -> Any:
    run = "/api/v1/runs/r-1"
    paths = ["/api/v1/runs", f"{run}/rounds", f"{run}/clients", f"{run}/spans", f"{run}/events"]
    return [server.get("/api/v1/status")["signals"], *(server.get(path) for path in paths)]


@pytest.mark.parametrize("name", BAD)
def test_a_bad_body_is_refused_by_name_and_nothing_is_stored(holding: Server, name: str) -> None:
    sent, status, field = BAD[name]
    before = stored(holding)
    answer = holding.post(sent)
    error = answer.json()["error"]
    assert (answer.status_code, error.get("field")) == (status, field), error
    assert stored(holding) == before
    empty = msgspec.json.encode(shipment("bad", []))
    assert holding.post(empty).json() == {"next_seq": 1}


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("runs?limit=0", "limit"),
        ("runs?limit=1001", "limit"),
        ("runs?limit=ten", "limit"),
        ("runs?offset=-1", "offset"),
        ("runs?state=resting", "state"),
        ("runs?colour=red", "colour"),
        ("runs?limit=1&limit=2", "limit"),
        ("runs/r-1/rounds?from_round=3&to_round=2", "from_round"),
        ("runs/r-1/rounds?to_round=99999999999", "to_round"),
        ("runs/r-1/rounds?layout=heap", "layout"),
        ("runs/r-1/rounds?limit=1001", "limit"),
        ("runs/r-1/rounds?layout=columns&limit=1000001", "limit"),
        ("runs/r-1/clients?layout=columns&fields=round,shoe_size", "fields"),
        ("runs/r-1/clients?fields=round", "fields"),
        ("runs/r-1/events?after=-1", "after"),
        ("fl/metrics?from=yesterday", "from"),
        ("fl/metrics?to=2026-11-22T09:52:00", "to"),
    ],
)
def test_a_bad_question_names_its_parameter(holding: Server, path: str, field: str) -> None:
    answer = holding.http.get(f"/api/v1/{path}")
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)


@pytest.mark.parametrize("path", ["/nowhere", "/api/v1/runs/r-7", "/api/v1/runs/r-7/clients"])
def test_what_is_not_there_is_404_with_the_shape_of_errors(holding: Server, path: str) -> None:
    answer = holding.http.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_an_unknown_experiment_is_404(holding: Server) -> None:
    answer = holding.http.get("/api/v1/fl/metrics?experiment_id=r-7")
    assert answer.status_code == 404


def test_a_method_that_a_route_has_not_is_405(holding: Server) -> None:
    answer = holding.http.put("/api/v1/runs", json={}, headers=holding.bearer)
    assert answer.status_code == 405


def test_a_gap_is_409_with_the_seq_expected(holding: Server) -> None:
    answer = holding.post(body(first_seq=5))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["expected_seq"]) == (409, "gap", 1)
