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
from fedsight.federated.link.wire import AwayError, RejectedError

CONTROL = "/v1/control"
UNREGISTERED = "unregistered"
T = TypeVar("T")


@dataclass(frozen=True)
class Member:
    """A node as the SuperLink knows it. `status`: registered (never came), online or offline.

    `online_until` is Unix seconds: without another sign of life it counts as offline then.
    """

    node_id: int
    name: str
    fingerprint: str
    status: str
    registered_at: datetime | None
    online_until: float | None


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
        """Let the owner of a public key in. Raises FedsightError where it is in already."""
        public = identity.public_pem(identity.read_public(public_key))
        request = RegisterNodeRequest(public_key=public, name=name or None)
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

    def members(self) -> list[Member]:
        """All nodes that were not revoked, in the order in which they were registered."""
        found = self._plainly(
            lambda: self._call("list-nodes", ListNodesRequest(), ListNodesResponse)
        )
        known = [_member(one) for one in found.nodes_info if one.status != UNREGISTERED]
        return sorted(known, key=lambda one: (str(one.registered_at), one.node_id))

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


def _member(info: NodeInfo) -> Member:
    return Member(
        node_id=info.node_id,
        name=info.name,
        fingerprint=identity.fingerprint(info.public_key),
        status=info.status,
        registered_at=datetime.fromisoformat(info.registered_at) if info.registered_at else None,
        online_until=info.online_until if info.HasField("online_until") else None,
    )


def _fingerprint_in(who: str) -> str | None:
    """The fingerprint of the key in the file `who`, where that is a file."""
    path = Path(who)
    if not path.is_file():
        return None
    return identity.fingerprint(identity.public_pem(identity.read_public(path)))
