"""Calls that are answered with an error, as google.rpc.Status says it.

https://opentelemetry.io/docs/specs/otlp/#failures
"""

from __future__ import annotations

from fedsight.telemetry.bridge import wire

#: google.rpc.Code, and what HTTP says in its place.
INVALID_ARGUMENT, RESOURCE_EXHAUSTED, INTERNAL, UNAVAILABLE, UNAUTHENTICATED = 3, 8, 13, 14, 16
HTTP_STATUS = {
    INVALID_ARGUMENT: 400,
    RESOURCE_EXHAUSTED: 429,
    INTERNAL: 500,
    UNAVAILABLE: 503,
    UNAUTHENTICATED: 401,
}
RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"


class CallRefusedError(Exception):
    """Nothing of the call was kept. `retry`: seconds after which the sender may try again; None:
    it must not, the same would be refused again."""

    def __init__(self, code: int, message: str, retry: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry = retry

    @property
    def http_status(self) -> int:
        """The status of an HTTP answer."""
        return HTTP_STATUS[self.code]

    def status(self) -> bytes:
        """A serialized google.rpc.Status, with RetryInfo where the sender may try again."""
        return status_bytes(self.code, self.message, self.retry)


def status_bytes(code: int, message: str, retry: float | None = None) -> bytes:
    """A serialized google.rpc.Status."""
    status = wire.Status(code=code, message=message)
    if retry is not None:
        info = wire.RetryInfo()
        info.retry_delay.seconds = int(retry)
        info.retry_delay.nanos = int(retry % 1 * 1e9)
        status.details.add(type_url=RETRY_INFO, value=info.SerializeToString())
    found: bytes = status.SerializeToString()
    return found


def busy(what: str, retry: float) -> CallRefusedError:
    """Too much waits: the sender keeps it and comes again."""
    return CallRefusedError(RESOURCE_EXHAUSTED, what, retry)
