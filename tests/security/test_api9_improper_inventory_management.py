"""API9:2023: everything that is served is in the table, in the document, and on the page; nothing
else is served."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fedsight import __version__
from tests.collector.server import Server
from tests.federated.api.asked import Asked
from tests.security.routes import OF_COLLECTOR, OF_FEDERATION

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
#: What others leave open.
FORGOTTEN = (
    "/docs",
    "/redoc",
    "/swagger.json",
    "/api",
    "/api/v0/runs",
    "/api/v2/runs",
    "/api/v1/debug",
    "/debug/pprof/",
    "/admin",
    "/.git/config",
    "/.env",
    "/token",
    "/store-id",
    "/collector.sqlite",
    "/journals/journal-1.sqlite",
    "/fedsight.toml",
    "/server-status",
    "/actuator/env",
    "/console",
    "/static/../token",
    "/static/..%2ftoken",
    "/%2e%2e/%2e%2e/etc/passwd",
    "//etc/passwd",
)


def test_the_document_has_exactly_the_table(server: Server) -> None:
    document = server.get("/openapi.json")
    told = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
    }
    others = {("GET", "/openapi.json"), ("GET", "/ws/metrics")}
    assert told - others == {(one.method, one.path) for one in OF_COLLECTOR}
    assert document["info"]["version"] == __version__ == server.get("/health")["version"]


def test_the_fl_servers_document_has_exactly_its_table(fl: Asked) -> None:
    document = fl.get("/openapi.json")
    told = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
    }
    assert told - {("GET", "/openapi.json")} == {(one.method, one.path) for one in OF_FEDERATION}


@pytest.mark.parametrize("path", sorted({one.path for one in (*OF_COLLECTOR, *OF_FEDERATION)}))
def test_the_page_names_it(path: str) -> None:
    assert re.search(rf"`(GET|POST|DELETE|PUT) {re.escape(path)}[`?]", PAGE)


@pytest.mark.parametrize("path", FORGOTTEN)
def test_nothing_else_is_served(server: Server, path: str) -> None:
    answer = server.http.get(path)
    assert answer.status_code in (400, 404), (path, answer.status_code)
    assert server.token not in answer.text


@pytest.mark.parametrize("path", FORGOTTEN)
def test_nor_by_the_fl_server(fl: Asked, path: str) -> None:
    assert fl.http.get(path).status_code in (400, 404)


def test_one_version_of_the_api_is_served() -> None:
    versions = {found.group(0) for one in OF_COLLECTOR for found in VERSION.finditer(one.path)}
    assert versions == {"/v1/"}


VERSION = re.compile(r"/v\d+/")
