"""The round trip to a service, as the kernel measured it while it made a connection.

Linux tells it in `TCP_INFO` (tcp(7), `struct tcp_info` of linux/tcp.h): the time from SYN to
SYN-ACK. So it is the network's alone: neither how busy the service is nor how busy we are counts.
"""

from __future__ import annotations

import socket
import struct
import sys
from typing import Protocol

from fedsight.signals import Sample

NAME = "service_round_trip_seconds"
#: `tcpi_rtt`, in microseconds: an unsigned 32-bit number behind 68 bytes.
_RTT = struct.Struct("=68xI")


class Connected(Protocol):
    """A connected TCP socket, as much of it as is needed."""

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        """As `socket.socket.getsockopt`."""
        ...


def round_trip(connection: Connected) -> float | None:
    """Seconds; None where the system does not tell, as after a SYN that was sent twice."""
    if sys.platform != "linux":
        return None
    try:
        told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RTT.size)
        (microseconds,) = _RTT.unpack(told)
    except (OSError, struct.error):
        return None
    return microseconds / 1e6 if microseconds else None


def trip_samples(service: str, seconds: float | None, now: int) -> list[Sample]:
    """The round trip to a service as a sample; none where it is not known."""
    return [] if seconds is None else [Sample(now, NAME, seconds, None, {"service": service})]
