"""The dashboard's built files, served from the package."""

from __future__ import annotations

import mimetypes
from importlib.resources import files
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

#: Types that a small machine's own table may lack; a wrong one is not shown, because of `nosniff`.
TYPES = {".woff2": "font/woff2", ".js": "text/javascript", ".svg": "image/svg+xml"}

MISSING = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>fedsight</title>
<h1>The collector runs; its dashboard is not installed</h1>
<p>The built files of the dashboard are missing from this installation. Build them with
<code>make web</code>, then reload. The API answers all the same: see
<a href="/openapi.json">/openapi.json</a>.</p></html>
"""


def packaged() -> Path:
    """The folder of built files inside the package; it may not exist."""
    return Path(str(files("fedsight"))) / "dashboard" / "static"


def site_routes(folder: Path) -> list[BaseRoute]:
    """`/` and the files beside it, each with an ETag; a clear page where there are none."""
    for suffix, kind in TYPES.items():
        mimetypes.add_type(kind, suffix)

    async def index(_: Request) -> Response:
        page = folder / "index.html"
        return FileResponse(page) if page.is_file() else HTMLResponse(MISSING, 503)

    routes: list[BaseRoute] = [Route("/", index)]
    if folder.is_dir():
        routes.append(Mount("/", StaticFiles(directory=folder)))
    return routes
