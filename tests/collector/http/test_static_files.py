from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from fedsight.collector.http.static_files import site_routes


class Site:
    """The routes over a folder, asked without a server."""

    def __init__(self, folder: Path) -> None:
        self._app = Starlette(routes=site_routes(folder))

    def get(self, path: str, **headers: str) -> httpx.Response:
        return asyncio.run(self._get(path, headers))

    async def _get(self, path: str, headers: dict[str, str]) -> httpx.Response:
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path, headers=headers)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "index.html").write_text("<!doctype html>dashboard")
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "main.js").write_text("let a = 1")
    (tmp_path / "assets" / "inter.woff2").write_bytes(b"font")
    (tmp_path.parent / "secret").write_text("secret")
    return Site(tmp_path)


def test_the_root_is_the_dashboard(site: Site) -> None:
    assert site.get("/").text == "<!doctype html>dashboard"


def test_an_asset_has_its_type_and_is_not_sent_twice(site: Site) -> None:
    first = site.get("/assets/main.js")
    assert first.headers["content-type"].startswith("text/javascript")
    assert site.get("/assets/inter.woff2").headers["content-type"] == "font/woff2"
    again = site.get("/assets/main.js", **{"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.text) == (304, "")


@pytest.mark.parametrize("path", ["/../secret", "/%2e%2e/secret", "/assets/..%2f..%2fsecret"])
def test_nothing_outside_the_folder_is_served(site: Site, path: str) -> None:
    answer = site.get(path)
    assert answer.status_code == 404
    assert "secret" not in answer.text


def test_a_missing_dashboard_is_a_clear_page(tmp_path: Path) -> None:
    answer = Site(tmp_path / "none").get("/")
    assert answer.status_code == 503
    assert "make web" in answer.text
