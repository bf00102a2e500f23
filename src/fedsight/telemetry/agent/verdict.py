"""What a bridge's answer means for what was sent. Pure.

https://opentelemetry.io/docs/specs/otlp/#otlpgrpc-response
"""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from grpc import StatusCode as Code

#: Sending the same again may help, the specification says.
RETRYABLE = frozenset(
    {
        Code.CANCELLED,
        Code.DEADLINE_EXCEEDED,
        Code.ABORTED,
        Code.OUT_OF_RANGE,
        Code.UNAVAILABLE,
        Code.DATA_LOSS,
    }
)
#: Whoever answers does not take it from us, or is no bridge: nothing is wrong with what was sent.
UNWELCOME = frozenset({Code.UNAUTHENTICATED, Code.PERMISSION_DENIED, Code.UNIMPLEMENTED})
RETRY_INFO = "/google.rpc.RetryInfo"
#: Fields of google.rpc.Status and google.rpc.RetryInfo.
DETAILS = 3
DELAY = 1
#: No bridge makes us wait for longer.
MOST_DELAY = 600.0


@dataclass(frozen=True, slots=True)
class Taken:
    """The bridge has it, but for `rejected` points, which are not sent again."""

    rejected: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Later:
    """To be sent again, not before `delay` seconds where the bridge said so. `unwelcome`: not
    before somebody mended something."""

    code: str
    message: str
    delay: float | None = None
    unwelcome: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """This will never be taken as it is."""

    code: str
    message: str


Verdict = Taken | Later | Refused


def verdict(code: Code, message: str, details: bytes | None) -> Verdict:
    """Of an answer that is no success; `details` is an encoded google.rpc.Status."""
    delay = retry_delay(details) if details else None
    if code in RETRYABLE or (code is Code.RESOURCE_EXHAUSTED and delay is not None):
        return Later(code.name, message, delay)
    if code in UNWELCOME:
        return Later(code.name, message, delay, unwelcome=True)
    return Refused(code.name, message)


def retry_delay(details: bytes) -> float | None:
    """Seconds that a RetryInfo among the details asks for; None where there is none."""
    try:
        for detail in _fields(details, DETAILS):
            packed = Any.FromString(detail)
            if packed.type_url.endswith(RETRY_INFO):
                delays = [Duration.FromString(each) for each in _fields(packed.value, DELAY)]
                seconds: float = sum(each.seconds + each.nanos / 1e9 for each in delays)
                return min(MOST_DELAY, max(0.0, seconds))
    except DecodeError:
        return None
    return None


def _fields(message: bytes, number: int) -> list[bytes]:
    """Every field of that number that holds bytes, of a message whose schema we do not have."""
    found = UnknownFieldSet(Empty.FromString(message))
    return [each.data for each in found if each.field_number == number and each.wire_type == 2]
