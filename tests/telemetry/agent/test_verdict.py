"""What answers of a bridge mean, code by code, as the specification has them."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import DebugInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from fedsight.telemetry.agent.backoff import pause
from fedsight.telemetry.agent.verdict import Later, Refused, retry_delay, verdict


def details(*messages: RetryInfo | DebugInfo) -> bytes:
    status = Status(code=8, message="full")
    for message in messages:
        status.details.add().Pack(message)
    encoded: bytes = status.SerializeToString()
    return encoded


def retry(seconds: int, nanos: int = 0) -> RetryInfo:
    return RetryInfo(retry_delay=Duration(seconds=seconds, nanos=nanos))


@pytest.mark.parametrize(
    "code",
    [
        StatusCode.CANCELLED,
        StatusCode.DEADLINE_EXCEEDED,
        StatusCode.ABORTED,
        StatusCode.OUT_OF_RANGE,
        StatusCode.UNAVAILABLE,
        StatusCode.DATA_LOSS,
    ],
)
def test_sent_again(code: StatusCode) -> None:
    assert verdict(code, "why", None) == Later(code.name, "why")


@pytest.mark.parametrize(
    "code",
    [
        StatusCode.UNKNOWN,
        StatusCode.INVALID_ARGUMENT,
        StatusCode.NOT_FOUND,
        StatusCode.ALREADY_EXISTS,
        StatusCode.FAILED_PRECONDITION,
        StatusCode.INTERNAL,
        StatusCode.RESOURCE_EXHAUSTED,
    ],
)
def test_not_sent_again(code: StatusCode) -> None:
    assert verdict(code, "why", None) == Refused(code.name, "why")


@pytest.mark.parametrize(
    "code", [StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED, StatusCode.UNIMPLEMENTED]
)
def test_kept_until_somebody_mends_what_is_set(code: StatusCode) -> None:
    assert verdict(code, "why", None) == Later(code.name, "why", unwelcome=True)


def test_a_full_bridge_is_waited_for_where_it_says_how_long() -> None:
    found = verdict(StatusCode.RESOURCE_EXHAUSTED, "full", details(retry(3, 500_000_000)))
    assert found == Later("RESOURCE_EXHAUSTED", "full", 3.5)


def test_the_delay_is_found_among_other_details_and_bounded() -> None:
    assert retry_delay(details(DebugInfo(detail="x"), retry(7))) == 7.0
    assert retry_delay(details(DebugInfo(detail="x"))) is None
    assert retry_delay(details(retry(10**6))) == 600.0
    assert retry_delay(details(retry(-5))) == 0.0
    assert retry_delay(b"\xff\xff no status") is None


def test_pauses_double_up_to_their_bound() -> None:
    assert [pause(1, 60, failures, chance=1.0) for failures in (1, 2, 3, 7, 99)] == [
        1.0,
        2.0,
        4.0,
        60.0,
        60.0,
    ]
    assert pause(1, 60, 3, chance=0.0) == 2.0
