"""Routes of exports: ask for one, look how far it is, fetch its file, remove it."""

from __future__ import annotations

import asyncio
import os
import re
from typing import Annotated, BinaryIO

import msgspec
from msgspec import Meta, Struct
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.types import Receive, Scope, Send

from fedsight.collector.export.kept import Export
from fedsight.collector.export.request import ExportRequest
from fedsight.collector.running import Collector
from fedsight.door.body import read_struct
from fedsight.door.endpoint import Endpoint, Nothing
from fedsight.door.refusal import RefusedError

BODY_BYTES = 64 * 1024
ZIP = "application/zip"
#: https://www.rfc-editor.org/rfc/rfc9110#name-byte-ranges
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class ExportsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Which exports."""

    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    offset: Annotated[int, Meta(ge=0, le=2**53)] = 0


class ExportPage(Struct, frozen=True):
    """Exports, newest first; `total` counts all."""

    exports: list[Export]
    total: int


class ExportRemoved(Struct, frozen=True):
    """The export that is no more."""

    export_id: str


def _json(answer: Struct, status: int = 200) -> Response:
    return Response(msgspec.json.encode(answer), status, media_type="application/json")


async def export(collector: Collector, request: Request, _: Nothing) -> Response:
    """Begin an export in the background; the answer says where its file will be."""
    wanted = await read_struct(request, BODY_BYTES, ExportRequest)
    return _json(await collector.exports.ask(wanted), 202)


async def exports(collector: Collector, _: Request, query: ExportsQuery) -> Response:
    """Exports, newest first, with their progress."""
    return _json(ExportPage(*await collector.exports.page(query.limit, query.offset)))


async def export_state(collector: Collector, request: Request, _: Nothing) -> Response:
    """One export and its progress."""
    return _json(await collector.exports.find(request.path_params["export_id"]))


async def remove_export(collector: Collector, request: Request, _: Nothing) -> Response:
    """Remove an export and its file; one under way is broken off."""
    export_id = request.path_params["export_id"]
    await collector.exports.remove(export_id)
    return _json(ExportRemoved(export_id))


async def download(collector: Collector, request: Request, _: Nothing) -> Response:
    """The file of an export that is done; takes Range."""
    file = await collector.exports.file(request.path_params["export_id"])
    try:
        opened = await asyncio.to_thread(file.open, "rb")
    except FileNotFoundError:  # its time was over just now
        raise RefusedError(404, "not_found", "there is no such export, or no longer") from None
    try:
        check_range(request.headers.get("range"), os.fstat(opened.fileno()).st_size)
    except RefusedError:
        opened.close()
        raise
    return _Download(opened, f"fedsight-{file.name}")


class _Download(FileResponse):
    """A file that is open already: whoever removes it meanwhile breaks nothing off."""

    def __init__(self, opened: BinaryIO, name: str) -> None:
        number = opened.fileno()
        found = os.fstat(number)
        super().__init__(f"/dev/fd/{number}", media_type=ZIP, filename=name, stat_result=found)
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._opened:
            await super().__call__(scope, receive, send)


def check_range(wanted: str | None, size: int) -> None:
    """Answer 416 for a Range that is none, or that the file has no byte of; one range, not more."""
    if wanted is None:
        return
    found = RANGE.fullmatch(wanted.strip())
    first, last = found.groups() if found else ("", "")
    fits = bool(found) and bool(first or last)
    if fits and first:
        fits = int(first) < size and (not last or int(first) <= int(last))
    if not fits or (not first and not int(last)):
        message = f"Range must be one like bytes=0-99 within {size} bytes, got {wanted[:100]!r}"
        headers = {"Content-Range": f"bytes */{size}"}
        raise RefusedError(416, "range", message, field="Range", headers=headers)


ENDPOINTS = (
    Endpoint(
        "POST",
        "/api/v1/export",
        export,
        Nothing,
        (Export,),
        ExportRequest,
        (400, 404, 408, 413, 415, 422, 503, 507),
        status=202,
        body_optional=True,
    ),
    Endpoint("GET", "/api/v1/exports", exports, ExportsQuery, (ExportPage,), errors=(422,)),
    Endpoint("GET", "/api/v1/exports/{export_id}", export_state, Nothing, (Export,), errors=(404,)),
    Endpoint(
        "DELETE",
        "/api/v1/exports/{export_id}",
        remove_export,
        Nothing,
        (ExportRemoved,),
        errors=(404, 415, 503, 507),
    ),
    Endpoint(
        "GET",
        "/api/v1/downloads/{export_id}",
        download,
        Nothing,
        (),
        errors=(404, 409, 416),
        text=ZIP,
    ),
)
