from __future__ import annotations

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from fedsight.collector.site import site_routes


@pytest.fixture
def site(tmp_path: Path) -> TestClient:
    (tmp_path / "index.html").write_text("<!doctype html>dashboard")
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "main.js").write_text("let a = 1")
    (tmp_path / "assets" / "inter.woff2").write_bytes(b"font")
    (tmp_path.parent / "secret").write_text("secret")
    return TestClient(Starlette(routes=site_routes(tmp_path)))


def test_the_root_is_the_dashboard(site: TestClient) -> None:
    assert site.get("/").text == "<!doctype html>dashboard"


def test_an_asset_has_its_type_and_is_not_sent_twice(site: TestClient) -> None:
    first = site.get("/assets/main.js")
    assert first.headers["content-type"].startswith("text/javascript")
    assert site.get("/assets/inter.woff2").headers["content-type"] == "font/woff2"
    again = site.get("/assets/main.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.text) == (304, "")


@pytest.mark.parametrize("path", ["/../secret", "/%2e%2e/secret", "/assets/..%2f..%2fsecret"])
def test_nothing_outside_the_folder_is_served(site: TestClient, path: str) -> None:
    answer = site.get(path)
    assert answer.status_code == 404
    assert "secret" not in answer.text


def test_a_missing_dashboard_is_a_clear_page(tmp_path: Path) -> None:
    answer = TestClient(Starlette(routes=site_routes(tmp_path / "none"))).get("/")
    assert answer.status_code == 503
    assert "make web" in answer.text
