"""A request's body, within bounds."""

from __future__ import annotations

import asyncio
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct
from starlette.requests import Request

from fedsight.door.guard import too_large
from fedsight.door.refusal import RefusedError, bad_field

BODY_SECONDS = 30.0
#: In an ASGI scope: all of the body has come in already.
WHOLE = "fedsight.whole"
#: The longest form, and how many fields one may have.
FORM_BYTES = 256 * 2**10
FORM_FIELDS = 1000

Body = TypeVar("Body", bound=Struct)


async def read_body(request: Request, most: int) -> bytes:
    """The body, counted as it comes, so that a chunked one is bounded too."""
    if WHOLE in request.scope:  # nothing to wait for: a timer would cost more than the reading
        return await _gathered(request, most)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _gathered(request, most)
    except TimeoutError:
        message = f"the body did not arrive within {BODY_SECONDS:g} s"
        raise RefusedError(408, "timeout", message, headers={"Connection": "close"}) from None


async def _gathered(request: Request, most: int) -> bytes:
    chunk, more = await _chunk(request)
    chunks, held = [chunk], len(chunk)
    while more and held <= most:
        chunk, more = await _chunk(request)
        chunks.append(chunk)
        held += len(chunk)
    if held > most:
        raise too_large(most)
    return chunk if len(chunks) == 1 else b"".join(chunks)


async def _chunk(request: Request) -> tuple[bytes, bool]:
    """What came next of the body, and whether there is more to come."""
    message = await request.receive()
    if message["type"] == "http.disconnect":
        raise RefusedError(400, "disconnected", "the body did not arrive whole")
    return message.get("body", b""), message.get("more_body", False)


async def read_struct(request: Request, most: int, kind: type[Body]) -> Body:
    """The body as its type; an empty one counts as `{}`.

    Answers 400 where it does not parse; raises BadFieldError naming a field that does not fit.
    """
    body = await read_body(request, most)
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise bad_field(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RefusedError(400, "json", f"the body is not JSON: {error}") from None
    except RecursionError:
        raise RefusedError(400, "json", "the body is nested too deeply") from None


async def read_form(request: Request) -> list[tuple[str, str]]:
    """The fields of a form's body, in order. Answers 400 where it is none."""
    body = await read_body(request, FORM_BYTES)
    try:
        return parse_qsl(
            body.decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=FORM_FIELDS,
        )
    except ValueError as error:
        raise RefusedError(400, "form", f"the body is no form: {error}") from None
