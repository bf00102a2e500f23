"""The Fleet API of a SuperLink, as a node speaks it."""

from __future__ import annotations

import logging
import secrets
import time
from pathlib import Path
from typing import Protocol, Self, TypeVar

from flwr.common.constant import HEARTBEAT_MIN_INTERVAL, HEARTBEAT_PATIENCE
from flwr.common.serde import fab_from_proto, run_from_proto
from flwr.proto.fab_pb2 import GetFabRequest, GetFabResponse
from flwr.proto.fleet_pb2 import (
    ActivateNodeRequest,
    ActivateNodeResponse,
    DeactivateNodeRequest,
    PullMessagesRequest,
    PullMessagesResponse,
    PushMessagesRequest,
    PushMessagesResponse,
    RegisterNodeFleetRequest,
    RegisterNodeFleetResponse,
)
from flwr.proto.fleet_pb2 import DeactivateNodeResponse as Goodbye
from flwr.proto.heartbeat_pb2 import SendNodeHeartbeatRequest, SendNodeHeartbeatResponse
from flwr.proto.message_pb2 import (
    ConfirmMessageReceivedRequest,
    ConfirmMessageReceivedResponse,
    ObjectTree,
    PullObjectRequest,
    PullObjectResponse,
    PushObjectRequest,
    PushObjectResponse,
)
from flwr.proto.message_pb2 import Message as ProtoMessage
from flwr.proto.node_pb2 import Node
from flwr.proto.run_pb2 import GetRunRequest, GetRunResponse
from flwr.supercore.error import ApiErrorCode
from flwr.supercore.fab import Fab
from flwr.supercore.run import Run
from flwr.supercore.runtime_version_compatibility import RuntimeVersionMetadata

from fedsight.errors import FedsightError
from fedsight.federated.link.frames import content_of, with_content
from fedsight.federated.link.identity import Identity
from fedsight.federated.link.objects import Pieces
from fedsight.federated.link.reports import (
    DEFAULT_NAME_HEADER,
    LIFE_HEADER,
    NAME_HEADER,
    NAME_OF_ANOTHER,
    ONLINE_ALREADY,
)
from fedsight.federated.link.wire import AwayError, Body, RejectedError, Wire

#: The least that Flower allows: a node that is gone counts as offline after twice as long.
HEARTBEAT_SECONDS = float(HEARTBEAT_MIN_INTERVAL)
#: So long a node waits for a process of before to count as gone, and a little for the way.
OLD_SELF_SECONDS = HEARTBEAT_PATIENCE * HEARTBEAT_SECONDS + 5.0
OLD_SELF = (
    "it counts an earlier process of this node, or another with its key, as online; one that was"
    f" killed it gives up within {HEARTBEAT_PATIENCE * HEARTBEAT_SECONDS:.0f} s"
)

log = logging.getLogger("fedsight.node")

_RUN_IS_OVER = {
    ApiErrorCode.FLEET_RUN_STATUS_NOT_ALLOWED,
    ApiErrorCode.FLEET_GET_RUN_FAILED,
    ApiErrorCode.FLEET_GET_FAB_FAILED,
}


class RefusedError(FedsightError):
    """The SuperLink does not take this node; trying again would not change that."""


class ForgottenError(Exception):
    """The SuperLink does not know this node any more: it was started anew, or the key revoked."""


class RunOverError(Exception):
    """The run is over, or was never known to this SuperLink."""


class _Encoded(Protocol):
    def SerializeToString(self) -> bytes: ...  # noqa: N802 (protobuf's name)


class _Decoded(Protocol):
    @classmethod
    def FromString(cls, data: bytes) -> Self: ...  # noqa: N802 (protobuf's name)


A = TypeVar("A", bound=_Decoded)


class FleetClient:
    """One node's side of the Fleet API. Thread-safe. `memory` is a file that keeps the node's id,
    `name` what it says that it is called, which it claims to be where that was `chosen`.

    Where it cannot come online as it seems to be so already, that is an AwayError for the first
    `old_self_seconds`.

    Every call raises AwayError where the SuperLink does not answer, ForgottenError where it does
    not know the node, RunOverError where it knows no such run, and RejectedError on any other no.
    """

    def __init__(
        self,
        wire: Wire,
        identity: Identity,
        memory: Path | None = None,
        old_self_seconds: float = OLD_SELF_SECONDS,
        name: str = "",
        chosen: bool = True,
    ) -> None:
        self._wire = wire
        self._identity = identity
        self._memory = memory
        self._old_self_seconds = old_self_seconds
        self._waits_since: float | None = None
        self._node = Node()
        version = RuntimeVersionMetadata.from_local_component("SuperNode")
        self._headers = {**dict(version.as_metadata()), LIFE_HEADER: secrets.token_hex(8)}
        if name:
            self._headers[NAME_HEADER if chosen else DEFAULT_NAME_HEADER] = name

    @property
    def node_id(self) -> int:
        """The id that the SuperLink gave; 0 before `join`."""
        return int(self._node.node_id)

    def join(self) -> int:
        """Go online, registering where that is allowed; the node's id. Raises RefusedError, too."""
        node_id = self._returned() or self._arrived()
        self._node, self._waits_since = Node(node_id=node_id), None
        self._remember(node_id)
        return node_id

    def _remember(self, node_id: int) -> None:
        """For the next process, that it can say goodbye for this one if it is killed."""
        if self._memory is None:
            return
        try:
            self._memory.write_text(str(node_id), encoding="ascii")
        except OSError as error:
            log.warning("cannot write %s: %s", self._memory, error.strerror)

    def _returned(self) -> int | None:
        """Online again under the id of before, or None."""
        try:
            if self.node_id:  # it is we who are back, or the SuperLink: nothing is lost
                self.beat()
                return self.node_id
            before = self._remembered()
            return self._revived(before) if before else None
        except (RejectedError, ForgottenError):
            return None

    def _revived(self, node_id: int) -> int:
        """Online in the place of a process that ended without a goodbye.

        That one counts as online for a while, and one that does cannot come online.
        """
        try:
            return self._activated()
        except RejectedError as error:
            if NAME_OF_ANOTHER in str(error):
                raise  # nor would it be let online in that one's place, which may well work
            self._post("deactivate-node", DeactivateNodeRequest(node_id=node_id), Goodbye)
            return self._activated()

    def _remembered(self) -> int:
        try:
            return 0 if self._memory is None else int(self._memory.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return 0

    def _arrived(self) -> int:
        registered = self._register(self._identity.public)
        try:
            return self._activated()
        except (RejectedError, ForgottenError) as error:
            if _is_online(error, registered):
                self._wait_for_old_self()
                registered = True
            raise RefusedError(self._unwanted(error, registered)) from None

    def _wait_for_old_self(self) -> None:
        """Raise AwayError while it may be a process that was killed that counts as online."""
        now = time.monotonic()
        if self._waits_since is None:
            self._waits_since = now
        if now - self._waits_since < self._old_self_seconds:
            raise AwayError(OLD_SELF)

    def _activated(self) -> int:
        request = ActivateNodeRequest(
            public_key=self._identity.public, heartbeat_interval=HEARTBEAT_SECONDS
        )
        return int(self._post("activate-node", request, ActivateNodeResponse).node_id)

    def _register(self, public: bytes) -> bool:
        """Make the key known. False where the SuperLink takes only keys that its operator named."""
        try:
            request = RegisterNodeFleetRequest(public_key=public)
            self._post("register-node", request, RegisterNodeFleetResponse)
        except RejectedError as error:
            return error.code != ApiErrorCode.FLEET_SUPERNODE_REGISTRATION_DISABLED
        except ForgottenError:
            return True  # a signature that it does not take: going online tells
        return True

    def _unwanted(self, error: Exception, registered: bool) -> str:
        address, key = self._wire.address, self._identity.fingerprint
        if NAME_OF_ANOTHER in str(error):
            return (
                f"the SuperLink at {address} refused the key {key}: {error}; start this node with"
                " --name and the name that its key was registered with"
            )
        if not registered:
            return (
                f"the SuperLink at {address} does not know the key {key}, or it was revoked; its"
                " operator lets it in with: fedsight node register FILE.pub"
            )
        return (
            f"the SuperLink at {address} refused the key {key}: {error}; its key was revoked,"
            " another process with it is online, or the clocks of the two machines differ by"
            " minutes"
        )

    def leave(self) -> None:
        """Go offline; the key stays known."""
        if self.node_id:
            request = DeactivateNodeRequest(node_id=self.node_id)
            self._post("deactivate-node", request, Goodbye)

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    def beat(self) -> None:
        """Say that the node lives."""
        request = SendNodeHeartbeatRequest(node=self._node, heartbeat_interval=HEARTBEAT_SECONDS)
        if not self._post("send-node-heartbeat", request, SendNodeHeartbeatResponse).success:
            raise ForgottenError("no such node")

    def poll(self) -> tuple[ProtoMessage, ObjectTree] | None:
        """The next message for this node, without its content, and the ids of its objects."""
        request = PullMessagesRequest(node=self._node)
        answer = self._post("pull-messages", request, PullMessagesResponse)
        if not answer.messages_list:
            return None
        return answer.messages_list[0], answer.message_object_trees[0]

    def run(self, run_id: int) -> Run:
        """What is known of a run."""
        request = GetRunRequest(node=self._node, run_id=run_id)
        return run_from_proto(self._post("get-run", request, GetRunResponse).run)

    def fab(self, run: Run) -> Fab:
        """The run's app, as a Flower app bundle."""
        request = GetFabRequest(node=self._node, hash_str=run.fab_hash, run_id=run.run_id)
        return fab_from_proto(self._post("get-fab", request, GetFabResponse).fab)

    def pull(self, run_id: int, object_id: str) -> memoryview | None:
        """An object's content, None where it is not there yet; RunOverError where it is gone."""
        request = PullObjectRequest(node=self._node, run_id=run_id, object_id=object_id)
        body = self._sent("pull-object", request.SerializeToString())
        rest, content = content_of(body, PullObjectResponse.OBJECT_CONTENT_FIELD_NUMBER)
        answer = PullObjectResponse.FromString(rest)
        if not answer.object_found:
            raise RunOverError(f"the SuperLink has no object {object_id}")
        return content if answer.object_available else None

    def confirm(self, run_id: int, message_id: str) -> None:
        """Say that a message has been received whole: the SuperLink may drop it."""
        request = ConfirmMessageReceivedRequest(
            node=self._node, run_id=run_id, message_object_id=message_id
        )
        self._post("confirm-message-received", request, ConfirmMessageReceivedResponse)

    def push(self, message: ProtoMessage, tree: ObjectTree, seconds: float) -> tuple[set[str], str]:
        """Announce an answer; the ids of objects that the SuperLink wants, and a session."""
        request = PushMessagesRequest(
            node=self._node,
            messages_list=[message],
            message_object_trees=[tree],
            clientapp_runtime_list=[seconds],
        )
        answer = self._post("push-messages", request, PushMessagesResponse)
        return set(answer.objects_to_push), answer.session_id

    def push_object(self, run_id: int, session: str, object_id: str, content: Pieces) -> None:
        """Send one object of an answer."""
        request = PushObjectRequest(
            node=self._node, run_id=run_id, object_id=object_id, session_id=session
        )
        field = PushObjectRequest.OBJECT_CONTENT_FIELD_NUMBER
        body = self._sent("push-object", with_content(request.SerializeToString(), field, content))
        if not PushObjectResponse.FromString(body).stored:
            raise AwayError("it did not store a part of the answer", answered=True)

    def _signed(self) -> dict[str, str]:
        return self._headers | self._identity.signed()

    def _post(self, call: str, request: _Encoded, answer: type[A]) -> A:
        return answer.FromString(self._sent(call, request.SerializeToString()))

    def _sent(self, call: str, body: Body) -> bytes:
        try:
            return self._wire.post(f"/v1/fleet/{call}", body, self._signed)
        except RejectedError as error:
            if error.status == 401:
                raise ForgottenError(str(error)) from None
            if error.code in _RUN_IS_OVER:
                raise RunOverError(str(error)) from None
            raise


def _is_online(error: Exception, registered: bool) -> bool:
    """Whether a node was not let online since it is so already, as far as can be told.

    A SuperLink of ours says so. Of Flower's own, where nodes register themselves, the same error
    means a key that was revoked, too; where they may not, most likely one that it does not know.
    """
    return isinstance(error, RejectedError) and (
        ONLINE_ALREADY in str(error)
        or (registered and error.code == ApiErrorCode.FLEET_NODE_ACTIVATION_FAILED)
    )
