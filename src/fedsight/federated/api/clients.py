"""The nodes of the current run: what the grid knows of them, what they did, what they said."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Iterable, Mapping
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from fedsight.door.refusal import BadFieldError, RefusedError
from fedsight.federated.api.history import ClientFacts, RefusedFacts
from fedsight.federated.fleet import NodeView, Property
from fedsight.signals import NAME_PATTERN

MOST_REGISTERED = 10_000

ClientId = Annotated[str, Meta(min_length=1, max_length=128, pattern=NAME_PATTERN)]
Figure = Annotated[float, Meta(ge=0, le=1e15)]


class Capabilities(Struct, frozen=True, forbid_unknown_fields=True):
    """What a client says of itself: GB of memory, Mbit/s of bandwidth; null where it does not."""

    model_types: Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=32)] = []
    compute_power: Figure | None = None
    data_samples: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    memory_gb: Figure | None = None
    network_bandwidth: Figure | None = None


class Registration(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /register`."""

    client_id: Annotated[str, Meta(min_length=1, max_length=128)]
    ip_address: Annotated[str, Meta(max_length=64)] | None = None
    capabilities: Capabilities | None = None


class RefusedBy(Struct, frozen=True):
    """The policy's newest no to a client in the current run: for what, in which round, and why."""

    action: str
    round: int | None
    reason: str


class Client(Struct, frozen=True):
    """One client. `node_id` is text, as it has 64 bits; `last_*` are of its last training.

    `verified`: its name is its key's, not what it says of itself; null of simulated ones.
    """

    client_id: str
    node_id: str | None = None
    kind: str = "unknown"
    partition: int | None = None
    online: bool | None = None
    last_seen_seconds: float | None = None
    tags: list[str] = []
    properties: dict[str, Property] = {}
    registered: bool = False
    ip_address: str | None = None
    capabilities: Capabilities | None = None
    rounds: int = 0
    failures: int = 0
    last_round: int | None = None
    last_status: str | None = None
    last_loss: float | None = None
    last_accuracy: float | None = None
    last_seconds: float | None = None
    samples: int | None = None
    refused: RefusedBy | None = None
    verified: bool | None = None


class Registry:
    """Registrations, in memory, by client id; the latest of each counts."""

    def __init__(self, most: int = MOST_REGISTERED) -> None:
        self._lock = threading.Lock()
        self._most = most
        self._known: dict[str, Registration] = {}

    def add(self, registration: Registration) -> None:
        """Keep it. Raises BadFieldError for a wrong value; 409 where there are too many."""
        _check(registration)
        with self._lock:
            new = registration.client_id not in self._known
            if new and len(self._known) >= self._most:
                raise RefusedError(409, "full", f"{self._most} clients are registered, and no more")
            self._known[registration.client_id] = registration

    def all(self) -> dict[str, Registration]:
        """Registrations by client id."""
        with self._lock:
            return dict(self._known)


def _check(registration: Registration) -> None:
    if not registration.client_id.isprintable() or "/" in registration.client_id:
        message = f"must be printable and hold no '/', got {registration.client_id!r}"
        raise BadFieldError("client_id", message)
    if registration.ip_address is None:
        return
    try:
        ipaddress.ip_address(registration.ip_address)
    except ValueError:
        message = f"must be an IPv4 or IPv6 address, got {registration.ip_address!r}"
        raise BadFieldError("ip_address", message) from None


def listed(
    views: Iterable[NodeView],
    names: Iterable[str],
    facts: Mapping[str, ClientFacts],
    registered: Mapping[str, Registration],
    refused: Mapping[str, RefusedFacts] | None = None,
) -> list[Client]:
    """Every client: nodes as the grid orders them, then `names` that a run told of, then others.

    A registration belongs to the node of that name or id; what the grid knows of a node outweighs
    what the node said over HTTP.
    """
    rest = dict(registered)
    found: dict[str, Client] = {}
    for view in views:
        said = rest.pop(view.name, None) or rest.pop(str(view.node_id), None)
        found[view.name] = _client(view.name, view, facts.get(view.name), said)
    for name in (*names, *facts):
        if name not in found:
            found[name] = _client(name, None, facts.get(name), rest.pop(name, None))
    others = [_client(name, None, None, said) for name, said in rest.items() if name not in found]
    return [_with_refusal(one, refused or {}) for one in (*found.values(), *others)]


def _with_refusal(client: Client, refused: Mapping[str, RefusedFacts]) -> Client:
    facts = refused.get(client.client_id)
    if facts is None:
        return client
    told = RefusedBy(facts.action, facts.round, facts.reason)
    return msgspec.structs.replace(client, refused=told)


def _client(
    name: str, view: NodeView | None, facts: ClientFacts | None, said: Registration | None
) -> Client:
    client = Client(name)
    if view is not None:
        client = msgspec.structs.replace(
            client,
            node_id=str(view.node_id),
            kind=view.kind,
            partition=view.partition,
            online=view.online,
            last_seen_seconds=view.last_seen_seconds,
            tags=list(view.tags),
            verified=None if view.kind == "simulated" else view.verified,
        )
    if said is not None:
        client = msgspec.structs.replace(
            client, registered=True, ip_address=said.ip_address, capabilities=said.capabilities
        )
    if facts is not None:
        client = msgspec.structs.replace(client, **_told(facts))
    return msgspec.structs.replace(client, properties=_properties(view, said))


def _told(facts: ClientFacts) -> dict[str, int | float | str | None]:
    return {name: getattr(facts, name) for name in ClientFacts.__dataclass_fields__}


def _properties(view: NodeView | None, said: Registration | None) -> dict[str, Property]:
    """Properties under the grid's names; what a registration says stands where it is silent."""
    found: dict[str, Property] = {}
    if said is not None and said.capabilities is not None:
        has = said.capabilities
        stated = {
            "data_samples": has.data_samples,
            "memory_gb": has.memory_gb,
            "bandwidth_mbps": has.network_bandwidth,
            "compute_power": has.compute_power,
        }
        found |= {name: value for name, value in stated.items() if value is not None}
        if has.model_types:
            found["model_types"] = ",".join(has.model_types)
    return found | (dict(view.properties) if view is not None else {})
