"""A request's body, within bounds."""

from __future__ import annotations

import asyncio
from typing import TypeVar
from urllib.parse import parse_qsl

import msgspec
from msgspec import Struct
from starlette.requests import ClientDisconnect, Request

from fedsight.door.guard import too_large
from fedsight.door.refusal import RefusedError, bad_field

BODY_SECONDS = 30.0
#: The longest form, and how many fields one may have.
FORM_BYTES = 256 * 2**10
FORM_FIELDS = 1000

Body = TypeVar("Body", bound=Struct)


async def read_body(request: Request, most: int) -> bytes:
    """The body, counted as it comes, so that a chunked one is bounded too."""
    chunks: list[bytes] = []
    held = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                held += len(chunk)
                if held > most:
                    raise too_large(most)
                chunks.append(chunk)
    except TimeoutError:
        message = f"the body did not arrive within {BODY_SECONDS:g} s"
        raise RefusedError(408, "timeout", message, headers={"Connection": "close"}) from None
    except ClientDisconnect:
        raise RefusedError(400, "disconnected", "the body did not arrive whole") from None
    return b"".join(chunks)


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
