"""API1:2023: an id leads to the object of that id and of that kind, for whoever may see it.

There are no users, so that nobody owns an object: who has the token may see all, who has none sees
nothing beyond loopback. What is left to attack are ids that lead elsewhere, and others' runs.
"""

from __future__ import annotations

from urllib.parse import quote

import msgspec
import pytest

from fedsight.door.endpoint import Endpoint
from tests.collector.server import Server
from tests.collector.shipments import shipment, started, trained
from tests.federated.api.asked import Asked
from tests.security.routes import OF_COLLECTOR, OF_FEDERATION, PARAMETER, VALUES, named, path_of

WITH_IDS = [one for one in OF_COLLECTOR if "{" in one.path]
WITH_IDS_OF_FL = [one for one in OF_FEDERATION if "{" in one.path]
#: Ids that try to be something else.
HOSTILE = (
    "../../token",
    "..%2f..%2ftoken",
    "%2e%2e/%2e%2e/token",
    "....//token",
    "/etc/passwd",
    "a\x00b",
    "' OR 1=1 --",
    '"; DROP TABLE runs; --',
    "*",
    "r-%",
    "\u202e",
    "a" * 2000,
)


@pytest.mark.parametrize("endpoint", WITH_IDS, ids=named)
def test_an_id_that_tries_to_lead_elsewhere_finds_nothing(
    server: Server, endpoint: Endpoint
) -> None:
    for name in PARAMETER.findall(endpoint.path):
        for hostile in HOSTILE:
            path = path_of(endpoint, **{name: quote(hostile, safe="%")})
            answer = server.http.request(endpoint.method, path, headers=server.bearer, json={})
            assert answer.status_code in (200, 400, 404, 405, 415, 422), (path, answer.text)
            assert server.token not in answer.text
            assert "root:" not in answer.text
            if answer.status_code == 200:  # an unknown label or service is an empty answer
                assert "r-1" not in answer.text
    assert server.get("/api/v1/runs")["total"] == 1


@pytest.mark.parametrize("endpoint", WITH_IDS_OF_FL, ids=named)
def test_the_fl_servers_ids_lead_nowhere_else(fl: Asked, endpoint: Endpoint) -> None:
    for name in PARAMETER.findall(endpoint.path):
        for hostile in HOSTILE:
            path = path_of(endpoint, **{name: quote(hostile, safe="%")})
            answer = fl.http.get(path)
            assert answer.status_code in (400, 404, 405, 422), (path, answer.text)
            assert "root:" not in answer.text


@pytest.mark.parametrize("endpoint", WITH_IDS, ids=named)
def test_who_has_no_token_does_not_learn_which_ids_there_are(
    beyond: Server, endpoint: Endpoint
) -> None:
    known = path_of(endpoint)
    unknown = path_of(endpoint, **dict.fromkeys(VALUES, "nothing"))
    asked = [beyond.http.request(endpoint.method, path) for path in (known, unknown)]
    assert [one.status_code for one in asked] == [401, 401]
    assert asked[0].text == asked[1].text


def test_a_journal_cannot_write_into_another_journals_run(server: Server) -> None:
    begun = server.get("/api/v1/runs/r-1")
    theirs = [started("r-1", ["x"]), trained("r-1", 9, ["x"])]
    answer = server.post(msgspec.json.encode(shipment("journal-thief", theirs)))
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid")
    assert "has already begun" in answer.json()["error"]["message"]
    assert server.get("/api/v1/runs/r-1") == begun | {"last_seen": begun["last_seen"]}


def test_a_downloads_id_cannot_be_guessed(server: Server) -> None:
    ids = set()
    for _ in range(3):
        body = {"experiment_id": "r-1"}
        answer = server.http.post("/api/v1/export", json=body, headers=server.bearer)
        assert answer.status_code == 202, answer.text
        ids.add(answer.json()["export_id"])
    assert len(ids) == 3
    assert all(len(one) == 32 and int(one, 16) >= 0 for one in ids)
    numbers = sorted(int(one, 16) for one in ids)
    assert numbers[1] - numbers[0] > 2**64
