"""Refusals in the shape of Prometheus's HTTP API.

https://prometheus.io/docs/prometheus/latest/querying/api/#format-overview
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Struct

from fedsight.door.refusal import RefusedError

Kind = Literal["bad_data", "execution", "timeout"]
STATUS: dict[Kind, int] = {"bad_data": 400, "execution": 422, "timeout": 503}


class Failure(Struct, frozen=True, rename="camel"):
    """The body of every error of this API."""

    error_type: Kind
    error: str
    status: Literal["error"] = "error"


class PromError(RefusedError):
    """Answered with the status that Prometheus gives errors of this kind."""

    def __init__(self, kind: Kind, message: str) -> None:
        super().__init__(STATUS[kind], kind, message)
        self._failure = Failure(kind, message)

    def body(self) -> bytes:
        """The answer's JSON."""
        return msgspec.json.encode(self._failure)


def bad_data(message: str) -> PromError:
    """400: what was sent does not parse, or is out of range."""
    return PromError("bad_data", message)


def not_evaluated(message: str) -> PromError:
    """422: it parses, and cannot be evaluated."""
    return PromError("execution", message)
