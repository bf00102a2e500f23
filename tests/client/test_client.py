from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import polars as pl
import pytest

from fedsight.client import Client, ClientError, asking
from fedsight.client import client as client_module
from fedsight.client.points import PointsAnswer, PointsOfSeries, points_columns
from fedsight.errors import FedsightError
from fedsight.signals import Batch, Event, Sample, batch
from tests.collector.server import Server
from tests.collector.shipments import SECOND, START, failed, whole_run
from tests.federated.link.certificates import certificate

RUN = "r-1"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("data")) as running:
        records = whole_run(RUN, ["a", "b"], rounds=4)
        records.insert(-1, failed(RUN, 4, "b", "CLIENT_FAILED", "out of memory"))
        running.send(RUN, records)
        running.send("r-2", whole_run("r-2", ["a"], rounds=2))
        many = [Sample(START + at, "many", at, labels={"name": "odd"}) for at in range(150_000)]
        running.send("j", [batch(many[at : at + 50_000]) for at in range(0, 150_000, 50_000)])
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(server.url) as asking:
        yield asking


@pytest.fixture
def polars(server: Server) -> Iterator[Client]:
    with Client(server.url, frames="polars") as asking:
        yield asking


def test_runs(client: Client) -> None:
    runs = client.runs()
    assert set(runs["id"]) == {RUN, "r-2"}
    assert runs["started"].dtype == "datetime64[ns, UTC]"
    assert runs["rounds"].dtype == "Int64"
    assert runs["accuracy"].dtype == np.float64
    assert client.runs(task="none").empty
    assert client.run(RUN)["config"] == {"lr": 1}


def after_the_first(
    client: Client, monkeypatch: pytest.MonkeyPatch, then: Callable[[], object]
) -> list[str]:
    """Have something happen after the first answer; the list of what is asked."""
    get = client._asking.get
    asked: list[str] = []

    def meanwhile(path: str, parameters: Any, kind: Any) -> Any:
        answer = get(path, parameters, kind)
        asked.append(path)
        if len(asked) == 1:
            then()
        return answer

    monkeypatch.setattr(client._asking, "get", meanwhile)
    return asked


def test_no_run_is_lost_or_told_twice_when_others_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "ROWS", 1)
    with Server(tmp_path) as server, Client(server.url) as client:
        for run in ("r-1", "r-2"):
            server.send(run, whole_run(run, ["a"]))
        new = Batch(events=[Event(START + SECOND, "federated", "RUN_STARTED", "r-3", details={})])
        asked = after_the_first(client, monkeypatch, lambda: server.send("r-3", [new]))
        assert client.runs()["id"].tolist() == ["r-1", "r-2"]
        assert len(asked) == 2
        assert client.runs()["id"].tolist() == ["r-3", "r-1", "r-2"]


@pytest.mark.parametrize("cells", [1, 2, 3, 5])
def test_rows_that_come_late_move_no_others(
    cells: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "CELLS", cells)
    with Server(tmp_path) as server, Client(server.url) as client:
        server.send(RUN, whole_run(RUN, ["a", "b", "c"], rounds=4))
        before = rows_of(client.clients(RUN))
        assert len(before) == len(set(before)) == 12
        assert len(rows_of(client.spans(RUN))) == 16
        late = failed(RUN, 1, "0", "CLIENT_FAILED", "it was away")
        after_the_first(client, monkeypatch, lambda: server.send("late", [late]))
        found = rows_of(client.clients(RUN))
        assert len(found) == len(set(found))
        assert [row for row in found if row[1] != "0"] == before


def rows_of(frame: Any) -> list[tuple[int, Any]]:
    return list(zip(frame["round"].tolist(), frame["node"].tolist(), strict=True))


def test_rounds_and_clients(client: Client) -> None:
    rounds = client.rounds(RUN)
    assert rounds["round"].tolist() == [1, 2, 3, 4]
    assert rounds["accuracy"].tolist() == [0.125, 0.25, 0.375, 0.5]
    assert rounds["started"].iloc[0] == pd.Timestamp("2026-11-22T09:52:00Z")
    clients = client.clients(RUN)
    assert isinstance(clients["node"].dtype, pd.CategoricalDtype)
    assert clients.groupby("node", observed=True)["train_seconds"].mean().tolist() == [0.1, 0.2]
    assert clients["cpu_seconds"].isna().all()
    assert client.clients(RUN, node="a")["round"].tolist() == [1, 2, 3, 4]


def test_spans_and_events(client: Client) -> None:
    spans = client.spans(RUN)
    assert spans["ok"].dtype == "boolean"
    assert spans[spans["node"].isna()]["phase"].tolist() == ["aggregate"] * 4
    events = client.events(RUN)
    assert events["kind"].iloc[0] == "RUN_STARTED"
    (told,) = client.events(RUN, kind="CLIENT_FAILED")["details"]
    assert told == {"message": "out of memory"}


def test_samples_as_they_are(client: Client) -> None:
    points = client.query("fl_client_train_seconds", run=RUN)
    assert points.columns.tolist() == ["time", "name", "node", "run", "value", "round"]
    assert points["time"].dtype == "datetime64[ns, UTC]"
    assert points["round"].tolist() == [1, 2, 3, 4] * 2
    assert points["node"].tolist() == ["a"] * 4 + ["b"] * 4
    some = client.query(run=RUN, labels={"node": "b"}, from_round=2, to_round=2)
    assert set(some["round"]) == {2}
    assert set(client.query(run=RUN, labels="node=~a|c")["node"]) == {"a"}


def test_pages_are_read_inside(client: Client) -> None:
    start = datetime.fromtimestamp(START / SECOND, UTC)
    points = client.query("many", start=start, end="now")
    assert points["value"].tolist() == list(range(150_000))
    assert points["time"].astype("int64").tolist() == list(range(START, START + 150_000))
    assert points["label_name"].unique().tolist() == ["odd"]


def test_windows(client: Client) -> None:
    points = client.query("fl_accuracy", run=RUN, step="1h", aggregation="max")
    assert points["value"].tolist() == [0.5]
    assert "round" not in points.columns


def test_windows_are_put_together_by_labels(client: Client) -> None:
    apart = client.query("fl_client_train_seconds", run=RUN, step="1y", aggregation="count")
    one = client.query(
        "fl_client_train_seconds", run=RUN, step="1y", aggregation="count", by=["run", "task"]
    )
    assert one["value"].tolist() == [apart["value"].sum()]
    most = client.query(
        "fl_client_train_seconds", run=RUN, step="1y", aggregation="count", group="count"
    )
    assert most["value"].tolist() == [len(apart)]


def test_series(client: Client) -> None:
    series = client.series(run=RUN, labels={"node": "a"})
    assert series["name"].tolist() == [
        "fl_client_samples",
        "fl_client_train_accuracy",
        "fl_client_train_seconds",
    ]


def test_nothing_is_an_empty_frame(client: Client, polars: Client) -> None:
    empty = client.query("none")
    assert empty.empty
    assert empty["time"].dtype == "datetime64[ns, UTC]"
    assert polars.query("none").height == 0
    assert polars.runs(task="none").height == 0


def test_polars(polars: Client) -> None:
    points = polars.query("fl_client_train_seconds", run=RUN)
    assert points.schema["time"] == pl.Datetime("ns", "UTC")
    assert points.schema["round"] == pl.Int64
    assert points["node"].cast(pl.String).to_list() == ["a"] * 4 + ["b"] * 4
    clients = polars.clients(RUN)
    assert clients["cpu_seconds"].null_count() == clients.height
    assert polars.spans(RUN)["node"].null_count() == 4
    assert polars.runs().height == 2
    assert polars.events(RUN)["details"][0]["task"] == "digits"
    assert polars.rounds(RUN)["started"][0] == datetime(2026, 11, 22, 9, 52, tzinfo=UTC)


def refusal(asks: Any) -> ClientError:
    with pytest.raises(ClientError) as caught:
        asks()
    assert isinstance(caught.value, FedsightError)
    return caught.value


def test_series_are_told_once_when_others_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "SERIES", 3)
    with Server(tmp_path) as server, Client(server.url) as client:
        server.send("r-1", whole_run("r-1", ["a"]))
        before = client.series(run="r-1")["name"].tolist()
        first = batch([Sample(START, "a_first", 1.0, None, {"run": "r-1"})])
        after_the_first(client, monkeypatch, lambda: server.send("early", [first]))
        assert client.series(run="r-1")["name"].tolist() == before


def test_more_series_than_are_listed_are_no_whole_answer(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"name": "a", "labels": {}}]
    answer = httpx.Response(200, json={"series": rows, "total": None})
    monkeypatch.setattr(client._asking, "_answer", lambda *_: answer)
    assert "ask for those of a name" in str(refusal(client.series))


def test_a_moment_without_a_time_zone_is_local(client: Client) -> None:
    start = datetime.fromtimestamp(START / SECOND, UTC).astimezone().replace(tzinfo=None)
    for moment in (start, pd.Timestamp(start)):
        points = client.query("many", start=moment, end="now", step="1y", aggregation="count")
        assert points["value"].sum() == 150_000


def test_series_with_and_without_rounds_stand_in_one_table() -> None:
    pages = [
        PointsAnswer(
            [
                PointsOfSeries("a", {}, [1, 2], [0.5, 0.6], [1, None]),
                PointsOfSeries("b", {}, [3], [0.7]),
            ]
        )
    ]
    assert points_columns(pages)["round"].values == [1, None, None]


@pytest.mark.parametrize("token", ["s3cret\nX: y", "s3crét"])
def test_a_token_that_no_header_can_carry_is_refused_without_being_told(token: str) -> None:
    said = str(refusal(lambda: Client("http://127.0.0.1:1", token=token)))
    assert "token" in said
    assert "s3cr" not in said


def test_the_line_end_of_a_token_does_not_count(client: Client, server: Server) -> None:
    with Client(server.url, token=f"{server.token}\n") as known:
        assert not known.runs().empty


def test_what_is_refused_says_what_to_do(client: Client) -> None:
    missing = refusal(lambda: client.rounds("r-9"))
    assert (missing.status, str(missing)) == (404, "there is no run 'r-9'")
    bounded = refusal(lambda: client.query("many", start="10y", step="1s"))
    assert (bounded.status, bounded.field) == (422, "step")
    assert "use step=12h" in str(bounded)


def test_nobody_there() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with Client(f"http://127.0.0.1:{held.getsockname()[1]}") as nobody:
            said = str(refusal(nobody.runs))
    assert "fedsight serve collector" in said


@pytest.mark.parametrize("url", ["localhost:8083", "http://", "ftp://a", ""])
def test_what_is_no_address(url: str) -> None:
    assert "address" in str(refusal(lambda: Client(url)))


def test_what_is_no_library() -> None:
    with pytest.raises(FedsightError, match=r"fedsight\[analysis\]"):
        Client(frames="nothing_of_this_name")  # type: ignore[arg-type]


def test_a_token_beyond_loopback(tmp_path: Path) -> None:
    with Server(tmp_path, host="0.0.0.0") as open_to_all:
        url = open_to_all.url.replace("0.0.0.0", "127.0.0.1")
        with Client(url, token="wrong") as stranger:
            assert "FEDSIGHT_TOKEN" in str(refusal(stranger.runs))
        with Client(url, token=open_to_all.token) as known:
            assert known.runs().empty


def test_the_token_comes_from_the_environment_or_the_data_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Server(tmp_path, host="0.0.0.0") as open_to_all:
        url = open_to_all.url.replace("0.0.0.0", "127.0.0.1")
        monkeypatch.setenv("FEDSIGHT_DATA", str(tmp_path))
        with Client(url) as here:
            assert here.runs().empty
        monkeypatch.setenv("FEDSIGHT_DATA", str(tmp_path / "elsewhere"))
        monkeypatch.setenv("FEDSIGHT_TOKEN", open_to_all.token)
        with Client(url) as told:
            assert told.runs().empty


def test_a_collector_that_speaks_tls(tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    files = {"certificate": str(tls.certificate), "key": str(tls.key)}
    with Server(tmp_path / "data", tls=files) as running:
        with Client(running.url, authority=tls.certificate) as known:
            assert known.runs().empty
        with Client(running.url) as doubting:
            assert "certificate" in str(refusal(doubting.runs))


@pytest.mark.parametrize(
    ("url", "port"),
    [("http://127.0.0.1", 80), ("https://localhost", 443), ("http://[::1]:8083", 8083)],
)
def test_the_port_whose_owner_is_looked_up_is_the_one_that_is_asked(
    url: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    monkeypatch.setattr(asking, "strangers", lambda of: looked.append(of) or {12345})
    with Client(url) as here:
        monkeypatch.setattr(here._asking, "_answer", lambda *_: httpx.Response(401))
        assert "another user's program" in str(refusal(here.runs))
    assert looked == [port]


def test_what_is_refused_for_another_reason_than_a_token_is_told(tmp_path: Path) -> None:
    with Server(tmp_path) as running, Client(running.url) as odd:
        odd._asking._http.headers["Host"] = "elsewhere.example"
        said = str(refusal(odd.runs))
    assert "elsewhere.example" in said
    assert "token" not in said


def test_a_token_is_shown_to_nobody_who_does_not_ask(tmp_path: Path) -> None:
    """On loopback reads need none, so that a program that took the port learns nothing."""
    heard: list[str] = []

    class Listening(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.headers.get("Authorization", ""))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"runs": [], "total": 0, "next": null}')

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    (tmp_path / "token").write_text("secret")
    with HTTPServer(("127.0.0.1", 0), Listening) as other:
        thread = threading.Thread(target=other.handle_request)
        thread.start()
        with Client(f"http://127.0.0.1:{other.server_port}") as asking:
            assert asking.runs().empty
        thread.join()
    assert heard == [""]
