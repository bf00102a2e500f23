"""What the routes answer that judge recorded decisions anew."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from fedsight.door.body import read_struct
from fedsight.door.endpoint import Nothing
from fedsight.door.refusal import BadFieldError, RefusedError
from fedsight.door.times import parse_rfc3339
from fedsight.policy.service import access
from fedsight.policy.service import edit_rows as rows
from fedsight.policy.service.deciding import TRAIL
from fedsight.policy.service.editing import check_names, version_of
from fedsight.policy.service.replaying import ReplayState
from fedsight.policy.service.routes import caller, json
from fedsight.policy.service.serving import Serving
from fedsight.policy.trying import Order


async def replayed(service: Serving, request: Request, _: Nothing) -> Response:
    """What another set would have said to requests that were answered already."""
    begun = await _begun(service, request)
    ended = await service.replays.ended(begun.id)
    if ended.found is None:
        raise RefusedError(503, "audit", ended.error or "the replay was stopped")
    return json(rows.ReplayAnswer(ended.version, ended.seconds, ended.found))


async def begin(service: Serving, request: Request, _: Nothing) -> Response:
    """Begin such a replay; its number tells how far it is."""
    answer = json(await _begun(service, request))
    answer.status_code = 202
    return answer


async def _begun(service: Serving, request: Request) -> ReplayState:
    service.deciding.permit(caller(service, request), access.AUDIT)
    told = await read_struct(request, service.options.body_bytes, rows.ReplayOrder)
    since, until = _moment("since", told.since), _moment("until", told.until)
    files = await _files(service, told)
    found = await service.trier.tried(files)
    if found.version is None:
        one = found.faults[0]
        message = (
            f"the set is not right, so that nothing is judged by it: {one.file}: {one.message}"
        )
        raise RefusedError(422, "policy", message, field="files")
    order = Order(files, str(service.options.data / TRAIL), since, until)
    return service.replays.begin(order, found.version)


async def _files(service: Serving, told: rows.ReplayOrder) -> dict[str, str]:
    """The files of the candidate: those that were sent, or a version's."""
    if (told.files is None) is (told.number is None):
        raise BadFieldError("files", "name either `files` or the `number` of a version")
    if told.number is not None:
        return dict((await asyncio.to_thread(version_of, service, told.number)).files)
    check_names(told.files or {})
    return dict(told.files or {})


def _moment(field: str, written: str | None) -> int | None:
    """RFC 3339 in Unix nanoseconds. Raises BadFieldError."""
    if written is None:
        return None
    try:
        return parse_rfc3339(written)
    except ValueError as error:
        raise BadFieldError(field, str(error)) from None


async def replay(service: Serving, request: Request, _: Nothing) -> Response:
    """How far a replay is, or what it found."""
    service.deciding.permit(caller(service, request), access.AUDIT)
    return json(service.replays.get(_number(request)))


async def stop(service: Serving, request: Request, _: Nothing) -> Response:
    """End a replay that runs."""
    service.deciding.permit(caller(service, request), access.AUDIT)
    return json(await service.replays.stop(_number(request)))


def _number(request: Request) -> int:
    told = request.path_params["number"]
    return int(told) if told.isascii() and told.isdecimal() and len(told) <= 9 else 0
