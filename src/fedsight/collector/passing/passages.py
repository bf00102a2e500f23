"""What is passed on: for each service the routes that a page of the dashboard needs. Pure.

What is not here cannot be reached through the collector, whoever asks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

#: Longest value of a path's parameter.
LONGEST = 200
#: Longest body of a command, and of one that carries a policy set.
COMMAND_BYTES = 64 * 1024
SET_BYTES = 4 * 2**20
#: A whole answer, from the first byte of the question on; and one that reads a whole audit trail.
ANSWER_SECONDS = 10.0
TRAIL_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Passage:
    """One route of a service: `*` in its path stands for one part that the request chooses.

    A body may have `body_bytes`; a whole answer takes at most `seconds`.
    """

    method: str
    path: str
    query: frozenset[str] = frozenset()
    body_bytes: int = COMMAND_BYTES
    seconds: float = ANSWER_SECONDS

    def address(self, parts: list[str]) -> str | None:
        """The path to ask for, quoted; None where these parts are another route's."""
        pattern = self.path.split("/")
        if len(pattern) != len(parts):
            return None
        for wanted, part in zip(pattern, parts, strict=True):
            if wanted != part and not (wanted == "*" and _is_value(part)):
                return None
        return "/".join(quote(part, safe="") for part in parts)


@dataclass(frozen=True, slots=True)
class Service:
    """One of our services: what people call it, what starts it, and what is passed on to it.

    `own_roles`: it decides by the token what may be done, and its refusals are passed on.
    """

    what: str
    command: str
    passages: tuple[Passage, ...]
    own_roles: bool = False

    def find(self, method: str, path: str) -> tuple[Passage, str] | None:
        """The passage that a request may take, and the path to ask for."""
        parts = path.split("/")
        for passage in self.passages:
            address = passage.address(parts) if passage.method == method else None
            if address is not None:
                return passage, address
        return None


def _is_value(part: str) -> bool:
    """Whether a part names something: no way up, no control characters, and not endless."""
    return part not in {"", ".", ".."} and len(part) <= LONGEST and part.isprintable()


def _get(path: str, *query: str) -> Passage:
    return Passage("GET", path, frozenset(query))


def _posts(paths: Iterable[str], body_bytes: int = COMMAND_BYTES) -> list[Passage]:
    return [Passage("POST", path, body_bytes=body_bytes) for path in paths]


FEDERATION = Service(
    "FL server",
    "fedsight serve federation",
    (
        _get("status"),
        _get("clients", "limit", "offset"),
        _get("clients/*"),
        _get("rounds", "start_round", "end_round", "limit", "offset"),
        _get("events", "since_event_id", "limit"),
        _get("summary"),
        _get("metrics"),
        _get("models", "run", "limit", "offset"),
        _get("models/compare", "a", "b"),
        _get("models/*"),
        _get("models/*/*"),
        *_posts(("start", "pause", "resume", "stop", "restart")),
        *_posts(("models/*/*/tag", "models/*/*/promote", "models/rollback")),
    ),
)

FORECAST = Service(
    "forecaster",
    "fedsight serve forecast",
    (
        _get("forecast"),
        _get("forecast/quality", "node", "metric", "limit", "offset"),
        _get("forecast/*", "metric", "horizon"),
    ),
)

_LIST = ("limit", "offset")
_WHICH = ("client", "action", "rule", "run", "allowed", "text", "since", "until")
POLICY = Service(
    "policy service",
    "fedsight serve policy",
    (
        _get("api/v1/decisions", "since_decision_id", "before_decision_id", *_WHICH, *_LIST),
        _get("api/v1/refusals", *_WHICH),
        _get("api/v1/trust", "client", *_LIST),
        _get("api/v1/trust/history", "client", "changes", *_LIST),
        _get("api/v1/audit"),
        _get("api/v1/audit/records", "after", "limit"),
        Passage("GET", "api/v1/audit/verify", seconds=TRAIL_SECONDS),
        Passage("POST", "api/v1/trust/*/reset"),
        _get("api/v1/policies"),
        _get("api/v1/policies/versions", *_LIST),
        _get("api/v1/policies/versions/*"),
        _get("api/v1/policies/diff", "before", "after"),
        _get("api/v1/policies/replays/*"),
        *_posts(("api/v1/policies/validate", "api/v1/policies/replays"), SET_BYTES),
        *_posts(("api/v1/policies/rollback", "api/v1/policies/replays/*/stop")),
        Passage("PUT", "api/v1/policies", body_bytes=SET_BYTES),
    ),
    own_roles=True,
)

SERVICES = {"fl": FEDERATION, "forecast": FORECAST, "policy": POLICY}
