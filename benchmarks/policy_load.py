"""Asks a policy service at a steady rate, whether it keeps up or not.

`python -m benchmarks.policy_load`, an order on standard input.

An open loop: when a check is due does not depend on when the one before was answered, so that a
service that stands still for a while is charged with all that would have been asked meanwhile. A
thread for each connection, plain sockets and a sleep until each check is due: threads that sleep
cost little beside what is measured, and wake within a fraction of a millisecond.
"""

from __future__ import annotations

import random
import socket
import sys
import threading
import time
from dataclasses import dataclass, field

import msgspec

from benchmarks.sending import TIMEOUT_SECONDS, Address, acknowledged
from fedsight.errors import FedsightError

PATH = "/check/client_eligibility"


class Order(msgspec.Struct):
    """What to ask: so many checks a second for so long, over so many connections."""

    port: int
    token: str
    rate: float
    seconds: float
    connections: int
    clients: int


class Asked(msgspec.Struct):
    """Milliseconds of each check until its answer, from when it was due and from when it was sent;
    the processor time of asking, in seconds; and what went wrong."""

    from_due: list[float]
    from_sending: list[float]
    cpu_seconds: float
    problems: list[str]


@dataclass
class _Found:
    from_due: list[float] = field(default_factory=list)
    from_sending: list[float] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def ask(order: Order) -> Asked:
    """Ask, each connection every so many checks' turn."""
    found = [_Found() for _ in range(order.connections)]
    bodies = [_bodies(order, number) for number in range(order.connections)]
    begins = time.perf_counter() + 0.2
    threads = [
        threading.Thread(target=_connection, args=(order, number, begins, bodies[number], one))
        for number, one in enumerate(found)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Asked(
        [value for one in found for value in one.from_due],
        [value for one in found for value in one.from_sending],
        time.process_time(),
        [problem for one in found for problem in one.problems],
    )


def _bodies(order: Order, connection: int) -> list[bytes]:
    """Requests of one connection, each about a client whose trust is another each time."""
    rng = random.Random(connection)
    headers = {"Authorization": f"Bearer {order.token}", "Content-Type": "application/json"}
    address = Address(order.port, PATH, headers)
    count = round(order.rate * order.seconds / order.connections)
    return [address.request(_facts(rng, order.clients)) for _ in range(count)]


def _facts(rng: random.Random, clients: int) -> bytes:
    number = rng.randrange(clients)
    return msgspec.json.encode(
        {
            "client_id": f"client-{number}",
            "client_trust_score": round(rng.uniform(0.3, 1.0), 4),
            "data_samples": 100 + number,
            "capabilities": ["gpu", "torch"],
            "cpu_count": 4,
            "memory_mb": 8000,
        }
    )


def _connection(
    order: Order, number: int, begins: float, requests: list[bytes], found: _Found
) -> None:
    try:
        with socket.create_connection(("127.0.0.1", order.port), TIMEOUT_SECONDS) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for at, request in enumerate(requests):
                due = begins + (at * order.connections + number) / order.rate
                wait = due - time.perf_counter()
                if wait > 0:
                    time.sleep(wait)
                sent = time.perf_counter()
                connection.sendall(request)
                acknowledged(connection)
                answered = time.perf_counter()
                found.from_due.append((answered - due) * 1e3)
                found.from_sending.append((answered - sent) * 1e3)
    except (OSError, FedsightError) as error:
        found.problems.append(str(error))


def main() -> int:
    """An order on standard input, what was found on standard output."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    sys.stdout.buffer.write(msgspec.json.encode(ask(order)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
