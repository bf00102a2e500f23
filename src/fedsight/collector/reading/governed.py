"""Under which policy sets a run went, and whom they refused, as far as its events tell."""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec
from msgspec import Struct

RUN_GOVERNED, CLIENT_REFUSED = "RUN_GOVERNED", "CLIENT_REFUSED"


class Under(Struct, frozen=True):
    """A set that decided: its version, from which round on, and whether it was only observed
    (None: not told)."""

    version: str
    round: int | None
    observed: bool | None


class Governed(Struct, frozen=True):
    """The sets that decided on a run, in their order, and how often they refused which client:
    at most the first hundred refusals of a round are told one by one."""

    sets: list[Under]
    refused: dict[str, int]


def governed(store: sqlite3.Connection, run_id: str) -> Governed:
    """What is known of it; without any set where no policy told that it decided."""
    told = store.execute(
        "SELECT round, details FROM events WHERE run = ? AND kind = ? ORDER BY id",
        (run_id, RUN_GOVERNED),
    )
    refused = store.execute(
        "SELECT node, count(*) FROM events WHERE run = ? AND kind = ? AND node IS NOT NULL"
        " GROUP BY node ORDER BY count(*) DESC, node",
        (run_id, CLIENT_REFUSED),
    )
    return Governed([_under(*row) for row in told], {node: int(count) for node, count in refused})


def _under(round: int | None, details: str) -> Under:
    found: dict[str, Any] = msgspec.json.decode(details)
    observed = found.get("observed")
    return Under(
        str(found.get("version", "")), round, observed if isinstance(observed, bool) else None
    )
