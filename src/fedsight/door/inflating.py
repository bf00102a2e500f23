"""A body without its Content-Encoding, inflated as far as allowed and no further."""

from __future__ import annotations

import asyncio
import zlib

from fedsight.door.guard import too_large
from fedsight.door.refusal import RefusedError

#: zlib's word for a gzip header and trailer. https://docs.python.org/3/library/zlib.html
GZIP = 31
#: Gzip members that a body may be made of: what is left is copied for each of them.
MOST_MEMBERS = 64
#: Bytes that are unpacked at once: at most half a megabyte comes out of them.
LITTLE = 512


async def unpacked(body: bytes, encoding: str, most: int) -> bytes:
    """As `inflated`, off the event loop where it may become much: deflate packs 1,032 to 1."""
    if encoding in ("", "identity") or len(body) <= LITTLE:
        return inflated(body, encoding, most)
    return await asyncio.to_thread(inflated, body, encoding, most)


def inflated(body: bytes, encoding: str, most: int) -> bytes:
    """The body without its Content-Encoding, at most `most` bytes of it.

    Raises RefusedError: 413 where it would be more, 415 for an encoding other than gzip, 400 where
    it is not whole.
    """
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        message = f"Content-Encoding must be gzip or none, got {encoding[:40]!r}"
        raise RefusedError(415, "content_encoding", message, field="Content-Encoding")
    parts: list[bytes] = []
    left, held = body, 0
    while left:
        if len(parts) >= MOST_MEMBERS:
            raise RefusedError(400, "gzip", f"the body has more than {MOST_MEMBERS} gzip members")
        stream = zlib.decompressobj(GZIP)
        try:
            part = stream.decompress(left, most - held + 1)
        except zlib.error as error:
            raise RefusedError(400, "gzip", f"the body is not gzip: {error}") from None
        held += len(part)
        if held > most:
            raise too_large(most)
        if not stream.eof:
            raise RefusedError(400, "gzip", "the gzip body is not whole")
        parts.append(part)
        left = stream.unused_data
    return b"".join(parts)
