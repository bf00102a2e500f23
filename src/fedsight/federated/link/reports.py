"""What the SuperLink tells of its nodes over HTTP: the bodies of `/fedsight/v1/...`."""

from __future__ import annotations

from msgspec import Struct

PREFIX = "/fedsight/v1"
SERVICE = "fedsight-superlink"

#: In a warm node's requests: which of its processes makes them.
LIFE_HEADER = "fedsight-life"
#: In it when it comes online: what it says that it is called.
NAME_HEADER = "fedsight-name"
#: Instead of it where nobody chose that name: it counts where names are not the keys'.
DEFAULT_NAME_HEADER = "fedsight-default-name"
#: Why a node whose key is known cannot come online.
ONLINE_ALREADY = "a node with this key is online already"
#: Why one is not let online that says it is called as another key is.
NAME_OF_ANOTHER = "is the name of another key"

#: Start and end, Unix nanoseconds on the SuperLink's clock.
Span = tuple[int, int]


class NodeReport(Struct, frozen=True):
    """One node: `status` is Flower's own word for it, ages are seconds, None: not seen yet.

    `node_id` is text, as it has 64 bits and JSON's numbers have 53. `lost` are messages that an
    earlier process of the node took and did not answer, and those that were handed to it and did
    not reach it: nobody will answer them. `name` is its key's, where the SuperLink binds names to
    keys, else what it said when it came online; None: nothing.
    """

    node_id: str
    key: str | None
    status: str
    last_poll_seconds: float | None
    bytes_in: int
    bytes_out: int
    requests: int
    lost: list[str] = []
    name: str | None = None


class NodeReports(Struct, frozen=True):
    """All nodes; `time` is when that was so. `bound`: their names are their keys'."""

    time: int
    nodes: list[NodeReport]
    bound: bool = False


class TurnReport(Struct, frozen=True, omit_defaults=True):
    """When a node did what with one message; None for what has not been seen."""

    queued: Span | None = None
    download: Span | None = None
    train: Span | None = None
    upload: Span | None = None


class TurnReports(Struct, frozen=True):
    """Turns by message id; an id that is not known is absent."""

    turns: dict[str, TurnReport]


class Refusal(Struct, frozen=True):
    """A request that was turned away: whose (`key` is a fingerprint or "none"), from where, why.

    `count` says how often since the one before it of the same kind was told, `name` what it said
    that it is called, where that is why.
    """

    id: int
    time: int
    key: str
    address: str
    path: str
    reason: str
    count: int = 1
    name: str = ""


class Refusals(Struct, frozen=True):
    """Refusals after an id, oldest first; `total` counts all since the start."""

    refusals: list[Refusal]
    last_id: int
    total: int
    by_reason: dict[str, int]


class HealthReport(Struct, frozen=True):
    """That the SuperLink answers, and which Flower it is."""

    service: str
    version: str
    flower: str
    started: int
    node_auth: bool
