"""Sends prepared HTTP requests over a few connections, as fast as they are answered.

Plain sockets: a client library would take longer for a small request than what it measures.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from fedsight.errors import FedsightError

HEAD_END = b"\r\n\r\n"
TIMEOUT_SECONDS = 120.0


class NotTakenError(FedsightError):
    """A server refused what it was sent."""


@dataclass(frozen=True)
class Address:
    """Where to post: a path on a port of this machine, with headers of its own."""

    port: int
    path: str
    headers: dict[str, str] = field(default_factory=dict)

    def request(self, body: bytes) -> bytes:
        """The whole request."""
        headers = {"Host": f"127.0.0.1:{self.port}", **self.headers, "Content-Length": len(body)}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST {self.path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def seconds_to_send(address: Address, bodies: Sequence[bytes], connections: int) -> float:
    """How long until every body was acknowledged. Raises NotTakenError for any other answer."""
    requests = [address.request(body) for body in bodies]
    problems: list[str] = []
    parts = [requests[n::connections] for n in range(connections)]
    threads = [threading.Thread(target=_send, args=(address, part, problems)) for part in parts]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise NotTakenError(f"port {address.port}{address.path}: {problems[0]}")
    return time.perf_counter() - began


def _send(address: Address, requests: Sequence[bytes], problems: list[str]) -> None:
    try:
        with socket.create_connection(("127.0.0.1", address.port), TIMEOUT_SECONDS) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for request in requests:
                connection.sendall(request)
                acknowledged(connection)
    except (OSError, NotTakenError) as error:
        problems.append(str(error))


def acknowledged(connection: socket.socket) -> None:
    """Read one answer to its end; its status must be 200 or 204."""
    answer = b""
    while HEAD_END not in answer:
        answer += _more(connection)
    head, _, body = answer.partition(HEAD_END)
    status = int(head.split(b" ", 2)[1])
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            left = int(line.partition(b":")[2]) - len(body)
            while left > 0:
                part = _more(connection)
                body += part
                left -= len(part)
    if status not in (200, 204):
        raise NotTakenError(f"answered {status}: {body[:300]!r}")


def _more(connection: socket.socket) -> bytes:
    part = connection.recv(65536)
    if not part:
        raise NotTakenError("closed the connection")
    return part
