"""A request that is answered with an error: its status and the body of `docs/api.md`."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec
from msgspec import UNSET, Struct, UnsetType

MISSING = re.compile(r"missing required field `([^`]+)`")
UNKNOWN = re.compile(r"contains unknown field `([^`]+)`")
WHERE = re.compile(r" - at (?:`key` in )?`\$\.?([^`]*)`$")


class ErrorBody(Struct, frozen=True, omit_defaults=True):
    """What was refused and why; `field` names the value, `expected_seq` answers a gap."""

    code: str
    message: str
    field: str | UnsetType = UNSET
    expected_seq: int | UnsetType = UNSET


class ErrorAnswer(Struct, frozen=True):
    """The shape of every error."""

    error: ErrorBody


class ErrorMessage(Struct, frozen=True, tag_field="type", tag="error"):
    """An error on the live stream; the connection stays."""

    error: ErrorBody


class RefusedError(Exception):
    """Raised to answer with an error status; nothing was changed."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str | None = None,
        expected_seq: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.expected_seq = expected_seq
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        """The answer's JSON."""
        return msgspec.json.encode(ErrorAnswer(self._error()))

    def message_text(self) -> str:
        """The same as a message of the live stream."""
        return msgspec.json.encode(ErrorMessage(self._error())).decode()

    def _error(self) -> ErrorBody:
        named: str | UnsetType = UNSET if self.field is None else self.field
        expected: int | UnsetType = UNSET if self.expected_seq is None else self.expected_seq
        return ErrorBody(self.code, self.message, named, expected)


class BadFieldError(ValueError):
    """A value out of range; `field` is its path, such as `records[0].samples.time[3]`."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def unprocessable(error: BadFieldError) -> RefusedError:
    """422 with the field's path in message and body."""
    return RefusedError(422, "invalid", f"{error.field}: {error}", field=error.field)


def bad_field(error: msgspec.ValidationError) -> BadFieldError:
    """Split msgspec's message into the field's path and what is wrong with it."""
    text = str(error)
    where = WHERE.search(text)
    path = where.group(1) if where else ""
    text = WHERE.sub("", text)
    named = MISSING.search(text) or UNKNOWN.search(text)
    if named:
        path = f"{path}.{named.group(1)}" if path else named.group(1)
    return BadFieldError(path or "body", text)


def too_many(message: str, wait_seconds: float) -> RefusedError:
    """429 with the whole seconds to wait."""
    wait = max(1, -int(-wait_seconds // 1))
    return RefusedError(429, "too_many_requests", message, headers={"Retry-After": str(wait)})
