"""The tables of routes, as requests: what is added to a table is asked by these tests at once."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fedsight.collector.http.endpoints import ENDPOINTS as OF_COLLECTOR
from fedsight.door.endpoint import Endpoint
from fedsight.federated.api.endpoints import ENDPOINTS as OF_FEDERATION

#: Something for each parameter of a path.
VALUES = {
    "run": "r-1",
    "alert": "1",
    "silence": "1",
    "export_id": "0" * 32,
    "service": "fl",
    "route": "status",
    "name": "run",
    "client_id": "a",
    "version": "latest",
    "round": "1",
}
PARAMETER = re.compile(r"\{(\w+)\}")
#: Open without a login, as one logs in there.
OPEN = {"/login"}


def path_of(endpoint: Endpoint, **values: str) -> str:
    """Its path, with a value for each parameter."""
    known = VALUES | values
    return PARAMETER.sub(lambda found: known[found.group(1)], endpoint.path)


def named(endpoint: Endpoint) -> str:
    """A test's id."""
    return f"{endpoint.method} {endpoint.path}"


def changes(endpoints: tuple[Endpoint, ...]) -> list[Endpoint]:
    """Those that change something."""
    return [one for one in endpoints if one.method != "GET" and not one.form]


def reads(endpoints: tuple[Endpoint, ...]) -> list[Endpoint]:
    """Those that only read, with GET."""
    return [one for one in endpoints if one.method == "GET" and one.path not in OPEN]


def paths(endpoints: tuple[Endpoint, ...]) -> Iterator[str]:
    """Every path once, with values."""
    return iter(dict.fromkeys(path_of(one) for one in endpoints))


__all__ = [
    "OF_COLLECTOR",
    "OF_FEDERATION",
    "OPEN",
    "changes",
    "named",
    "path_of",
    "paths",
    "reads",
]
