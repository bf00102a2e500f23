"""Who may be a node: keys registered with a SuperLink, listed, and revoked, by its Control API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self, TypeVar

from flwr.proto.control_pb2 import (
    ListNodesRequest,
    ListNodesResponse,
    RegisterNodeRequest,
    RegisterNodeResponse,
    UnregisterNodeRequest,
    UnregisterNodeResponse,
)
from flwr.proto.node_pb2 import NodeInfo
from flwr.supercore.error import ApiErrorCode

from fedsight.errors import FedsightError, UsageError
from fedsight.federated.link import identity
from fedsight.federated.link.caller import Caller, Place, unreachable
from fedsight.federated.link.names import NAMELESS, UNREGISTERED, may_be_registered
from fedsight.federated.link.reports import PREFIX, NodeReports
from fedsight.federated.link.wire import AwayError, RejectedError

CONTROL = "/v1/control"
T = TypeVar("T")


@dataclass(frozen=True)
class Member:
    """A node as the SuperLink knows it. `status`: registered (never came), online or offline.

    `online_until` is Unix seconds: without another sign of life it counts as offline then.
    `verified`: the name is its key's, which the SuperLink holds it to; else what somebody said.
    """

    node_id: int
    name: str
    fingerprint: str
    status: str
    registered_at: datetime | None
    online_until: float | None
    verified: bool = False


class Membership:
    """The list of nodes of the SuperLink at a place. Raises FedsightError where it says no."""

    def __init__(self, place: Place) -> None:
        self._address = place.address
        self._caller = Caller(place, wait_seconds=0.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._caller.close()

    def close(self) -> None:
        """Close the connection."""
        self._caller.close()

    def register(self, public_key: Path, name: str = "") -> Member:
        """Let the owner of a public key in, as that name, or as its file is called.

        Raises UsageError where it can be nobody's name, FedsightError where the key is in already,
        or the name another's.
        """
        name = name or public_key.name.removesuffix(".pub")
        public = identity.public_pem(identity.read_public(public_key))
        if not may_be_registered(name):
            raise UsageError(
                "a node's name must be letters, digits, '.', '_' and '-', at most 64, and not begin"
                f" with {NAMELESS}, got {name!r}: give another with --name"
            )
        self._refuse_taken(name, identity.fingerprint(public))
        request = RegisterNodeRequest(public_key=public, name=name)
        try:
            answer = self._call("register-node", request, RegisterNodeResponse)
        except RejectedError as error:
            if error.code != ApiErrorCode.PUBLIC_KEY_ALREADY_IN_USE:
                raise self._refused(error) from None
            raise FedsightError(
                f"the key {identity.fingerprint(public)} was registered at {self._address} before;"
                " one that was revoked cannot come back: make a new key"
            ) from None
        return Member(answer.node_id, name, identity.fingerprint(public), "registered", None, None)

    def _refuse_taken(self, name: str, key: str) -> None:
        holders = [
            identity.fingerprint(one.public_key) for one in self._there() if one.name == name
        ]
        if holders and key not in holders:
            raise FedsightError(
                f"the name {name} is the key {holders[0]}'s at {self._address}: revoke that"
                f" one first (fedsight node revoke {name}), or give another with --name"
            )

    def members(self) -> list[Member]:
        """All nodes that were not revoked, in the order in which they were registered."""
        there, reports = self._there(), self._reports()
        names = {int(one.node_id): one.name for one in reports.nodes}
        known = [_member(one, names.get(one.node_id), reports.bound) for one in there]
        return sorted(known, key=lambda one: (str(one.registered_at), one.node_id))

    def _there(self) -> list[NodeInfo]:
        found = self._plainly(
            lambda: self._call("list-nodes", ListNodesRequest(), ListNodesResponse)
        )
        return [one for one in found.nodes_info if one.status != UNREGISTERED]

    def _reports(self) -> NodeReports:
        """What a SuperLink of ours says of its nodes' names; another says nothing."""
        try:
            return self._caller.read(f"{PREFIX}/nodes", NodeReports) or NodeReports(0, [])
        except AwayError as error:
            raise unreachable(error, self._address) from None

    def revoke(self, who: str) -> Member:
        """Shut a node out, for good: by its id, its name, its fingerprint, or a key file.

        Raises UsageError where no node, or more than one, goes by that.
        """
        wanted = _fingerprint_in(who)
        found = [
            one
            for one in self.members()
            if wanted == one.fingerprint or who in {str(one.node_id), one.name, one.fingerprint}
        ]
        if len(found) != 1:
            known = ", ".join(f"{one.node_id} ({one.fingerprint})" for one in found)
            raise UsageError(
                f"several nodes go by {who!r}: {known}; name one by its id"
                if found
                else f"the SuperLink at {self._address} knows no node by {who!r};"
                " see: fedsight node list"
            )
        request = UnregisterNodeRequest(node_id=found[0].node_id)
        self._plainly(lambda: self._call("unregister-node", request, UnregisterNodeResponse))
        return found[0]

    def _call(self, call: str, request: object, answer: type[T]) -> T:
        try:
            return self._caller.once(f"{CONTROL}/{call}", request, answer)
        except AwayError as error:
            raise unreachable(error, self._address) from None

    def _plainly(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except RejectedError as error:
            raise self._refused(error) from None

    def _refused(self, error: RejectedError) -> FedsightError:
        if error.status in {401, 403} and error.code is None:
            return FedsightError(
                f"the SuperLink at {self._address} lets only its own machine, or its token, do"
                " that; give the token of its data directory with --token-file"
            )
        return FedsightError(f"the SuperLink at {self._address} says no: {error}")


def _member(info: NodeInfo, name: str | None, bound: bool) -> Member:
    """`name` is what the SuperLink calls it, which a `bound` one has of its key."""
    return Member(
        node_id=info.node_id,
        name=name or info.name,
        fingerprint=identity.fingerprint(info.public_key),
        status=info.status,
        registered_at=datetime.fromisoformat(info.registered_at) if info.registered_at else None,
        online_until=info.online_until if info.HasField("online_until") else None,
        verified=bound,
    )


def _fingerprint_in(who: str) -> str | None:
    """The fingerprint of the key in the file `who`, where that is a file."""
    path = Path(who)
    if not path.is_file():
        return None
    return identity.fingerprint(identity.public_pem(identity.read_public(path)))
