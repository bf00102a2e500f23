"""Exports over a real collector: asked for, watched, fetched, and what becomes of them."""

from __future__ import annotations

import asyncio
import io
import json
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.requests import Request

from fedsight.collector.export.routes import download
from fedsight.door.endpoint import Nothing
from fedsight.door.refusal import RefusedError
from tests.collector.open_store import Store
from tests.collector.server import Server
from tests.collector.shipments import whole_run


def ask(server: Server, **wanted: Any) -> httpx.Response:
    return server.http.post("/api/v1/export", json=wanted, headers=server.bearer)


def ended(server: Server, export_id: str) -> dict[str, Any]:
    """The export once it is done or has failed."""
    until = time.monotonic() + 30
    while True:
        found: dict[str, Any] = server.get(f"/api/v1/exports/{export_id}")
        if found["state"] in ("done", "failed"):
            return found
        assert time.monotonic() < until, found
        time.sleep(0.02)


def remove(server: Server, export_id: str) -> httpx.Response:
    headers = {**server.bearer, "Content-Type": "application/json"}
    return server.http.delete(f"/api/v1/exports/{export_id}", headers=headers)


@pytest.fixture(scope="module")
def filled(server: Server) -> Server:
    server.send("e-1", whole_run("e-1", ["a", "b"]))
    return server


def test_an_export_is_made_in_the_background_and_downloaded(filled: Server) -> None:
    answer = ask(filled, experiment_id="e-1", components=["fl"], format="csv")
    assert answer.status_code == 202
    asked = answer.json()
    assert asked["file_size"] is None
    assert asked["download_url"] == f"/api/v1/downloads/{asked['export_id']}"
    done = ended(filled, asked["export_id"])
    assert (done["state"], done["progress"], done["error"]) == ("done", 1.0, None)
    assert done["rows"] == 20 + 12 + 6 + 1 + 2 + 4 + 6
    file = filled.http.get(done["download_url"])
    assert file.headers["content-type"] == "application/zip"
    name = f'attachment; filename="fedsight-{asked["export_id"]}.zip"'
    assert file.headers["content-disposition"] == name
    assert len(file.content) == done["file_size"]
    with zipfile.ZipFile(io.BytesIO(file.content)) as archive:
        assert archive.testzip() is None
        assert json.loads(archive.read("manifest.json"))["experiment_id"] == "e-1"
        assert len(archive.read("rounds.csv").splitlines()) == 3
        assert len(archive.read("samples.csv").splitlines()) == 1 + 20 + 12


def test_a_download_goes_on_where_it_was_broken_off(filled: Server) -> None:
    done = ended(filled, ask(filled, tables=["rounds"]).json()["export_id"])
    whole = filled.http.get(done["download_url"]).content
    rest = filled.http.get(done["download_url"], headers={"Range": "bytes=10-"})
    assert (rest.status_code, rest.content) == (206, whole[10:])


class _Last:
    """Exports of which one has a file, whose time may be over at any moment."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def file(self, _: str) -> Path:
        return self.path


def test_a_file_whose_time_is_over_meanwhile_is_whole_or_gone(tmp_path: Path) -> None:
    file = tmp_path / "x.zip"
    file.write_bytes(b"whole" * 50_000)
    collector: Any = SimpleNamespace(exports=_Last(file))
    scope = {"type": "http", "method": "GET", "headers": [], "path_params": {"export_id": "x"}}
    sent: list[bytes] = []

    async def send(message: Any) -> None:
        sent.append(message.get("body", b""))

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def both() -> None:
        answer = await download(collector, Request(scope), Nothing())
        file.unlink()
        await answer(scope, receive, send)
        with pytest.raises(RefusedError) as gone:
            await download(collector, Request(scope), Nothing())
        assert gone.value.status == 404

    asyncio.run(both())
    assert b"".join(sent) == b"whole" * 50_000


@pytest.mark.parametrize(
    "wanted", ["bytes=999999999-", "bytes=9-1", "bytes=-0", "bytes=-", "lines=1-2", "bytes=0-1,3-4"]
)
def test_a_range_that_is_none_is_refused(filled: Server, wanted: str) -> None:
    done = ended(filled, ask(filled, tables=["runs"]).json()["export_id"])
    refused = filled.http.get(done["download_url"], headers={"Range": wanted})
    assert (refused.status_code, refused.json()["error"]["code"]) == (416, "range")
    assert refused.headers["Content-Range"] == f"bytes */{done['file_size']}"
    last = filled.http.get(done["download_url"], headers={"Range": "bytes=-3"})
    assert (last.status_code, len(last.content)) == (206, 3)


def test_exports_are_listed_newest_first_and_removed(filled: Server) -> None:
    ids = [ask(filled, tables=["runs"]).json()["export_id"] for _ in range(2)]
    for each in ids:
        ended(filled, each)
    page = filled.get("/api/v1/exports?limit=2")
    assert [each["export_id"] for each in page["exports"]] == ids[::-1]
    assert page["total"] >= 2
    file = filled.data / "exports" / f"{ids[0]}.zip"
    assert file.exists()
    assert remove(filled, ids[0]).json() == {"export_id": ids[0]}
    assert not file.exists()
    assert filled.http.get(f"/api/v1/downloads/{ids[0]}").status_code == 404
    assert remove(filled, ids[0]).status_code == 404


@pytest.mark.parametrize(
    ("wanted", "status", "field"),
    [
        ({"experiment_id": "none"}, 404, "experiment_id"),
        ({"format": "xlsx"}, 422, "format"),
        ({"aggregation": "2m"}, 422, "aggregation"),
        ({"components": []}, 422, "components"),
        ({"components": ["fl", "gpu"]}, 422, "components[1]"),
        ({"start_time": "now"}, 422, "start_time"),
        ({"path": "/etc/passwd"}, 422, "path"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(
    filled: Server, wanted: dict[str, Any], status: int, field: str
) -> None:
    answer = ask(filled, **wanted)
    assert (answer.status_code, answer.json()["error"]["field"]) == (status, field)


@pytest.mark.parametrize("id_", ["0" * 32, "..%2f..%2ftoken", "../../token", "collector.sqlite"])
def test_no_path_is_taken_from_a_request(filled: Server, id_: str) -> None:
    assert filled.http.get(f"/api/v1/downloads/{id_}").status_code == 404


def test_asking_and_removing_need_the_token(filled: Server) -> None:
    assert filled.http.post("/api/v1/export", json={}).status_code == 401
    plain = {"Content-Type": "application/json"}
    assert filled.http.delete("/api/v1/exports/x", headers=plain).status_code == 401


def test_an_export_of_nothing_says_so(filled: Server) -> None:
    done = ended(filled, ask(filled, end_time="1999-01-01T00:00:00Z").json()["export_id"])
    assert (done["state"], done["rows"]) == ("done", 0)
    assert done["note"].startswith("nothing in the store matches")


@pytest.mark.slow
def test_an_export_outlives_a_restart_and_one_that_was_killed_is_made_anew(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        server.send("e-1", whole_run("e-1", ["a"]))
        done = ended(server, ask(server).json()["export_id"])
        server.kill()
    store = Store(tmp_path)
    store.ingest.change(lambda db: db.execute("UPDATE exports SET state = 'running'")).result(10)
    store.close()
    (tmp_path / "exports" / f"{done['export_id']}.zip").unlink()
    (tmp_path / "exports" / "work").mkdir()
    (tmp_path / "exports" / "work" / "samples-0.part").write_text("half")
    (tmp_path / "exports" / ("f" * 32 + ".zip")).write_text("nobody's")
    with Server(tmp_path) as server:
        again = ended(server, done["export_id"])
        assert (again["state"], again["rows"]) == ("done", done["rows"])
        assert server.http.get(again["download_url"]).status_code == 200
    assert [file.name for file in (tmp_path / "exports").iterdir()] == [f"{done['export_id']}.zip"]


@pytest.mark.slow
@pytest.mark.parametrize("end", ["SIGTERM", "SIGKILL"])
def test_one_that_is_broken_off_is_made_by_the_next_collector(tmp_path: Path, end: str) -> None:
    with Server(tmp_path) as server:
        for number in range(40):
            server.send(f"b-{number}", whole_run(f"b-{number}", ["a", "b", "c"], rounds=50))
        ids = [ask(server, format="csv").json()["export_id"] for _ in range(3)]
        if end == "SIGKILL":
            server.kill()
        else:
            began = time.monotonic()
            assert server.end()[0] == 0
            assert time.monotonic() - began < 10
    with Server(tmp_path) as server:
        done = [ended(server, each) for each in ids]
        assert {(each["state"], each["error"]) for each in done} == {("done", None)}
        assert len({each["rows"] for each in done}) == 1
    left = {file.name for file in (tmp_path / "exports").iterdir()}
    assert left == {f"{each}.zip" for each in ids}


@pytest.mark.slow
def test_one_under_way_can_be_removed(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        for number in range(20):
            server.send(f"b-{number}", whole_run(f"b-{number}", ["a", "b"], rounds=50))
        first, second = (ask(server).json()["export_id"] for _ in range(2))
        assert remove(server, first).status_code == 200
        assert ended(server, second)["state"] == "done"
        assert server.get("/api/v1/exports")["total"] == 1
    assert [file.name for file in (tmp_path / "exports").iterdir()] == [f"{second}.zip"]


def test_a_file_that_somebody_took_away_is_gone(filled: Server) -> None:
    done = ended(filled, ask(filled, tables=["runs"]).json()["export_id"])
    (filled.data / "exports" / f"{done['export_id']}.zip").unlink()
    gone = filled.http.get(done["download_url"])
    assert (gone.status_code, "gone" in gone.json()["error"]["message"]) == (404, True)


def test_only_so_many_wait(filled: Server) -> None:
    answers = [ask(filled) for _ in range(40)]
    assert {each.status_code for each in answers} == {202, 429}
    refused = next(each for each in answers if each.status_code == 429)
    assert refused.headers["Retry-After"] == "10"
    for each in answers:
        if each.status_code == 202:
            assert ended(filled, each.json()["export_id"])["state"] == "done"


@pytest.mark.slow
def test_an_export_that_ends_its_collector_is_not_begun_a_third_time(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        asked = ended(server, ask(server).json()["export_id"])
    store = Store(tmp_path)
    update = "UPDATE exports SET state = 'running', attempts = 2"
    store.ingest.change(lambda db: db.execute(update)).result(10)
    store.close()
    with Server(tmp_path) as server:
        failed = ended(server, asked["export_id"])
        assert failed["error"] == "it was begun 2 times and came to no end"
        refused = server.http.get(failed["download_url"])
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "not_ready")


@pytest.mark.slow
def test_files_take_up_no_more_than_they_may_and_go_when_their_time_is_over(tmp_path: Path) -> None:
    with Server(tmp_path, export_bytes=20_000, export_keep_days=1 / 86400) as server:
        server.send("e-1", whole_run("e-1", ["a", "b", "c"], rounds=20))
        failed = ended(server, ask(server).json()["export_id"])
        assert failed["state"] == "failed"
        assert "export.max_bytes" in failed["error"]
        small = ended(server, ask(server, tables=["rounds"], format="csv").json()["export_id"])
        assert (small["state"], small["error"]) == ("done", None)
        time.sleep(1)
        other = ended(server, ask(server, tables=["runs"]).json()["export_id"])
        ended(server, other["export_id"])
        assert server.http.get(small["download_url"]).status_code == 404
        assert not (tmp_path / "exports" / f"{small['export_id']}.zip").exists()
