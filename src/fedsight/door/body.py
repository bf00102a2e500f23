"""A request's body, within bounds."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from fedsight.door.guard import too_large
from fedsight.door.refusal import RefusedError

BODY_SECONDS = 30.0


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
