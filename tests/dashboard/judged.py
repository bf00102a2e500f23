"""A federation whose clients a real policy service judges: one fell, one has too little memory."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from fedsight.policy.shared_trust import TRUST, SharedTrust
from tests.dashboard.policyserver import PolicyProcess

SECOND = 10**9
RUN = "r-00000012"
CLIENTS = tuple(f"{place}-{at:02}" for place in ("porto", "gent", "oslo") for at in (1, 2, 3))
#: Its updates look unlike the others', and so its trust falls.
FALLEN = "porto-03"
#: It has too little memory in every third round, and tells nothing of itself in the others' fourth.
SMALL, MUTE = "oslo-02", "gent-01"
ROUND = {"run": RUN, "rounds": 40, "clients": 9, "stale_rounds": 0, "epsilon_spent": 0.0}


def selection(round_: int, client: str) -> dict[str, Any]:
    """May this client train in this round?"""
    told: dict[str, Any] = {
        "client_id": client,
        "run": RUN,
        "round": round_,
        "trust": 0.9,
        "samples": 150,
        "capabilities": ["gpu"],
        "cpu_count": 4,
        "memory_mb": 64 if client == SMALL and round_ % 3 == 0 else 8000,
    }
    if client == MUTE and round_ % 4 == 0:
        del told["samples"], told["trust"]
    return {"policy_type": "client_selection", "context": told}


def judge(service: PolicyProcess, rounds: int) -> None:
    """Ask for all clients of some rounds."""
    with service.client() as http:
        for round_ in range(1, rounds + 1):
            begins = {"policy_type": "next_round", "context": {**ROUND, "round": round_}}
            checks = [begins, *(selection(round_, client) for client in CLIENTS)]
            answer = http.post("/api/v1/check/batch", json={"checks": checks})
            assert answer.status_code == 200, answer.text


def trusted(data: Path, rounds: int = 24) -> None:
    """The trust that a run's rounds left in the data directory."""
    data.mkdir(parents=True, exist_ok=True)
    book, begun = SharedTrust(data / TRUST), time.time_ns() - rounds * 30 * SECOND
    for round_ in range(1, rounds + 1):
        for client in CLIENTS:
            falls = client == FALLEN and round_ > 12
            cause: Any = "suspected" if falls else "answered"
            if client == SMALL and round_ in (7, 8, 9):
                cause = "silent"
            book.note(client, cause, begun + round_ * 30 * SECOND, run=RUN, round=round_)
    book.close()
