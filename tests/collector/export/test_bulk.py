"""Events as lines of a bulk request, and what an answer means for each."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedsight.collector.export.bulk import (
    Line,
    SearchServer,
    fate,
    fitting,
    line,
    verdict,
    whole_error,
)
from fedsight.collector.reading.rows import EventRow
from fedsight.errors import SettingsError

SERVER = SearchServer("http://search:9200/", authorization="ApiKey secret")
EVENT = EventRow(
    7,
    "2026-11-22T09:52:00.000001Z",
    "federated",
    "CLIENT_FAILED",
    "r-1",
    3,
    "a",
    {"message": "out of memory", "deep": {"x": 1}},
)


def test_an_event_is_one_action_and_one_document() -> None:
    action, document = map(json.loads, line(EVENT, "5e1f", SERVER).text.splitlines())
    index, id_ = "fedsight-events-2026.11", "5e1f-7-1795341120000001"
    assert action == {"create": {"_index": index, "_id": id_}}
    assert document == {
        "@timestamp": "2026-11-22T09:52:00.000001Z",
        "store": "5e1f",
        "id": 7,
        "source": "federated",
        "kind": "CLIENT_FAILED",
        "run": "r-1",
        "round": 3,
        "node": "a",
        "message": "out of memory",
        "details": '{"message":"out of memory","deep":{"x":1}}',
    }


@pytest.mark.parametrize("index", ["Upper", "a b", "-x", "%H", "a/b", "*", "..", "", "_x", "a%"])
def test_an_index_that_cannot_be_one_is_refused(index: str) -> None:
    with pytest.raises(SettingsError, match=r"elasticsearch\.index"):
        SearchServer("http://search:9200", index)


def test_a_secret_is_in_no_text_of_the_server() -> None:
    assert "secret" not in f"{SERVER} {SERVER!r} {SERVER.name}"
    assert SERVER.name == "http://search:9200 fedsight-events-%Y.%m"


def answer(*statuses: int) -> bytes:
    error = {"type": "a_type", "reason": "why"}
    items = [
        {"create": {"_id": "x", "status": s, **({} if s < 300 else {"error": error})}}
        for s in statuses
    ]
    return json.dumps({"took": 1, "errors": True, "items": items}).encode()


def test_each_item_meets_its_own_fate() -> None:
    lines = [Line(number, b"") for number in range(7)]
    found = verdict(lines, answer(201, 409, 400, 429, 503, 403, 404))
    assert found.taken == 2
    assert found.refused == ((lines[2], "400 a_type: why"),)
    assert found.again == tuple(lines[3:])
    assert found.why == "429 a_type: why"


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"items": [{}]}', b'{"items": []}', b"\xff"])
def test_an_answer_that_is_none_is_said_to_be_so(text: bytes) -> None:
    with pytest.raises(ValueError, match="answer"):
        verdict([Line(1, b"")], text)


@given(st.binary(max_size=200), st.integers(100, 599))
def test_any_answer_has_a_fate_and_a_reason(text: bytes, status: int) -> None:
    assert fate(status) in ("taken", "again", "refused")
    assert str(status) in whole_error(status, text)


def test_a_servers_reason_is_told() -> None:
    told = b'{"error": {"type": "security_exception", "reason": "missing credentials"}}'
    assert whole_error(401, told) == "it answered 401: missing credentials"


def test_a_body_holds_what_fits_and_at_least_one() -> None:
    lines = [Line(at, b"x" * 10) for at in range(5)]
    assert [fitting(lines, most) for most in (5, 10, 25, 100)] == [1, 1, 2, 5]
    assert fitting([], 10) == 0
