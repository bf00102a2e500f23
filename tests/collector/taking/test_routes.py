"""The ways in, over HTTP, at a real process."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from fedsight.collector.taking.routes import TAKEN
from tests.collector.server import Server

pytestmark = pytest.mark.slow

MINUTE = 60 * 10**9


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("data")
    with Server(folder, new_series=1000, most_series=3000, body_bytes=2**20) as running:
        yield running


def columns(name: str, times: list[int], **also: Any) -> bytes:
    """Samples of one series."""
    count = len(times)
    series = [{"name": name, "labels": {"run": "r-1"}}]
    body = {"series": series, "index": [0] * count, "time": times, "value": [1.5] * count}
    return msgspec.json.encode({**body, **also})


def post(server: Server, path: str, body: bytes, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    kind = {"Content-Type": "application/json"}
    return server.http.post(path, content=body, headers={**server.bearer, **kind, **named})


def code_of(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


def test_columns_are_stored_and_told(server: Server) -> None:
    now = time.time_ns()
    body = columns("told", [now - 3, now - 2, now - 1], round=[1, None, 3])
    taken = post(server, "/api/v1/samples", body)
    assert (taken.status_code, taken.json()) == (
        200,
        {"stored": 3, "late": 0, "repeated": 0, "future": 0},
    )
    again = post(server, "/api/v1/samples", body).json()
    assert again == {"stored": 3, "late": 2, "repeated": 1, "future": 0}
    late = post(server, "/api/v1/samples", columns("told", [now - MINUTE])).json()
    assert late == {"stored": 1, "late": 1, "repeated": 0, "future": 0}


def test_times_may_count_other_units(server: Server) -> None:
    seconds = int(time.time()) - 5
    body = columns("seconds", [seconds])
    assert post(server, "/api/v1/samples?precision=s", body).json()["stored"] == 1
    again = columns("seconds", [seconds * 10**9])
    assert post(server, "/api/v1/samples", again).json()["repeated"] == 1
    refused = post(server, "/api/v1/samples?precision=weeks", body)
    assert (refused.status_code, refused.json()["error"]["field"]) == (422, "precision")


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"{", 400, None),
        (b"[]", 422, "body"),
        (b"{}", 422, "series"),
        (columns("x", [1], value=["a"]), 422, "value[0]"),
        (columns("x", [1], value=[None]), 422, "value[0]"),
        (columns("x", [-1]), 422, "time[0]"),
        (columns("x", [1], round=[-1]), 422, "round[0]"),
        (columns("x", [1], round=[1, 2]), 422, "body"),
        (columns("x", [1], index=[1]), 422, "body"),
        (columns("0x", [1]), 422, "series[0].name"),
        (columns("fl_round_participants", [1]), 422, "value[0]"),
        (columns("x", [time.time_ns() + 60 * MINUTE]), 422, "time[0]"),
        (b'{"series":[{"name":"x"}],"index":[0],"time":[1],"value":[NaN]}', 400, None),
        (b'{"series":[{"name":"x"}],"index":[0],"time":[1],"value":[1e999]}', 422, "value[0]"),
    ],
)
def test_bad_columns_are_named_and_nothing_is_kept(
    server: Server, body: bytes, status: int, field: str | None
) -> None:
    answer = post(server, "/api/v1/samples", body)
    assert (answer.status_code, answer.json()["error"].get("field")) == (status, field)


def test_a_label_of_a_megabyte_is_refused_by_name(server: Server) -> None:
    series = [{"name": "x", "labels": {"node": "n" * 2**20}}]
    small = columns("x", [1], series=[{"name": "x", "labels": {"node": "n" * 10**6}}])
    answer = post(server, "/api/v1/samples", small)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "series[0].labels[...]")
    assert post(server, "/api/v1/samples", columns("x", [1], series=series)).status_code == 413


def test_line_protocol_is_stored(server: Server) -> None:
    seconds = int(time.time()) - 5
    body = b"fl_client,run=r-7,node=a loss=0.5,accuracy=0.25,round=3i %d" % seconds
    answer = post(server, "/api/v1/write?precision=s&db=any", body, Content_Type="text/plain")
    assert (answer.status_code, answer.content, answer.headers.get(TAKEN)) == (204, b"", None)
    again = post(server, "/api/v1/write?precision=s", body, Content_Type="text/plain")
    assert again.headers[TAKEN] == "stored=2, repeated=2"
    bare = server.http.post("/api/v1/write", content=b"m value=1", headers=server.bearer)
    assert bare.status_code == 204


def test_good_lines_are_kept_where_others_are_refused(server: Server) -> None:
    body = b"partly value=1 5\npartly,x= value=2 6\npartly value=nan 7\npartly value=9i %d"
    answer = post(server, "/api/v1/write", body % (time.time_ns() + 60 * MINUTE))
    assert (answer.status_code, code_of(answer)) == (400, "partial_write")
    said = answer.json()["error"]["message"]
    assert said.startswith("partial write: 2 lines are refused, 1 samples of the others are kept")
    assert "line 2: Failed to parse value of tag; line 4: is 3600 s after" in said
    assert answer.headers[TAKEN] == "stored=1, absent=1"
    nothing = post(server, "/api/v1/write", b"what")
    assert (nothing.status_code, code_of(nothing)) == (400, "lines")
    assert post(server, "/api/v1/write", b"").status_code == 204


def test_gzip_is_inflated_within_a_bound(server: Server) -> None:
    packed = gzip.compress(b"zipped value=1 5\n") + gzip.compress(b"zipped value=2 6\n")
    assert post(server, "/api/v1/write", packed, Content_Encoding="gzip").status_code == 204
    bomb = gzip.compress(b"\n" * 2**21)
    answer = post(server, "/api/v1/write", bomb, Content_Encoding="gzip")
    assert (len(bomb) < 4000, answer.status_code) == (True, 413)
    cut = post(server, "/api/v1/write", packed[:-4], Content_Encoding="gzip")
    assert (cut.status_code, code_of(cut)) == (400, "gzip")
    assert code_of(post(server, "/api/v1/write", b"no", Content_Encoding="gzip")) == "gzip"
    other = post(server, "/api/v1/write", b"m value=1", Content_Encoding="br")
    assert (other.status_code, code_of(other)) == (415, "content_encoding")


def test_changing_needs_the_token(server: Server) -> None:
    for path in ("/api/v1/samples", "/api/v1/write"):
        assert server.http.post(path, content=b"m value=1").status_code == 401


def test_a_label_that_explodes_is_refused_by_name_while_others_go_on(server: Server) -> None:
    post(server, "/api/v1/write", b"calm,node=a value=1 5")
    body = "\n".join(f"wild,node=a,request=q{n} value=1 5" for n in range(1500))
    answer = post(server, "/api/v1/write", body.encode())
    assert (answer.status_code, code_of(answer)) == (422, "too_many_series")
    assert "label 'request' has 1500 values among 1500 new ones" in answer.text
    for part in range(4):
        body = "\n".join(f"wild,request=q{part}-{n} value=1 5" for n in range(600))
        answer = post(server, "/api/v1/write", body.encode())
    assert (answer.status_code, code_of(answer)) == (429, "too_many_requests")
    assert int(answer.headers["Retry-After"]) <= 60
    assert post(server, "/api/v1/write", b"calm,node=a value=2 6").status_code == 204
