"""Authenticates nodes as Flower does, refuses requests that were seen before, and keeps account."""

from __future__ import annotations

import datetime
from base64 import b64decode
from binascii import Error
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from fastapi import FastAPI, HTTPException
from flwr.common.constant import SYSTEM_TIME_TOLERANCE, TIMESTAMP_HEADER, TIMESTAMP_TOLERANCE
from flwr.server.superlink.linkstate import LinkState
from flwr.supercore.constant import FLEET_HTTP_PUBLIC_KEY_HEADER, FLEET_HTTP_SIGNATURE_HEADER
from flwr.supercore.date import now
from flwr.supercore.error import ApiErrorCode, FlowerError
from flwr.supercore.primitives.asymmetric import bytes_to_public_key, verify_signature
from flwr.superlink.routers.fleet.node_auth import authenticate_node
from starlette.requests import Request

from fedsight.federated.link import turned_away
from fedsight.federated.link.admission import address_of
from fedsight.federated.link.identity import NAME
from fedsight.federated.link.names import bound
from fedsight.federated.link.polls import Polls
from fedsight.federated.link.replay import Seen
from fedsight.federated.link.reports import (
    DEFAULT_NAME_HEADER,
    LIFE_HEADER,
    NAME_HEADER,
    NAME_OF_ANOTHER,
    ONLINE_ALREADY,
)
from fedsight.federated.link.turned_away import TurnedAway, fingerprint_of_header
from fedsight.federated.link.watching import ACTIVATE, Said

#: Flower's answers to a key that it does not know.
STRANGERS = {
    ApiErrorCode.FLEET_SUPERNODE_REGISTRATION_DISABLED,
    ApiErrorCode.FLEET_NODE_ACTIVATION_FAILED,
}
REGISTER, DEACTIVATE = "/v1/fleet/register-node", "/v1/fleet/deactivate-node"
PUSH, CONFIRM = "/v1/fleet/push-messages", "/v1/fleet/confirm-message-received"


class Gate:
    """Lets requests of nodes in: of those that are who they say they are, and only for themselves.

    With `node_auth` only keys that were registered, each signature once, and nobody by the name of
    another key; without it any node may register itself, and signs all the same. `polls` knows
    which process is a node, and who took which message.
    """

    def __init__(self, flower: FastAPI, node_auth: bool, away: TurnedAway, polls: Polls) -> None:
        self.node_auth = node_auth
        self._polls = polls
        self._flower = flower
        self._away = away
        self._seen = Seen()

    @contextmanager
    def open(self, request: Request) -> Iterator[None]:
        """Within it the request is a node's. Raises HTTPException 401 where it is not, 403 where it
        is not one that the node may make."""
        try:
            authenticate_node(request)
        except HTTPException:
            self._refuse(request, self._fault(request))
            raise
        if self.node_auth and not self._first_time(request):
            self._refuse(request, turned_away.REPLAYED)
            raise HTTPException(401, "Replayed request")
        self._check_process(request)
        self._check_speaker(request)
        self._check_name(request)
        try:
            yield
        except FlowerError as error:
            if error.code in STRANGERS:
                if not self._knows(request):
                    self._refuse(request, turned_away.UNKNOWN_KEY)
                elif error.code == ApiErrorCode.FLEET_NODE_ACTIVATION_FAILED:
                    error.public_details = ONLINE_ALREADY  # Flower says the same to a stranger
            raise

    def vouch(self, request: Request) -> None:
        """Before a long body is taken: that its headers are a node's, whichever it is.

        Raises HTTPException 401 where they are not. The request is still to be let in.
        """
        if not self.node_auth:
            return
        fault = self._fault(request)
        if fault != turned_away.OTHER_NODE:  # signed by a key that is known
            self._refuse(request, fault)
            raise HTTPException(401, "Unauthorized", {"Connection": "close"})

    def _knows(self, request: Request) -> bool:
        """Whether the key that signed it was registered; a node may ask to be, and need not."""
        return self._whose(request) is not None

    def _whose(self, request: Request) -> int | None:
        """The node whose key signed it."""
        key = b64decode(request.headers[FLEET_HTTP_PUBLIC_KEY_HEADER])
        return self._state().get_node_id_by_public_key(key)

    def _check_process(self, request: Request) -> None:
        """Of two processes with one key the one that came online last is the node.

        One that is killed may be followed at once by another, which says goodbye for it.
        """
        path = request.scope["path"]
        if path in (REGISTER, ACTIVATE):
            return
        message, life = request.state.protobuf_request, said_in(request).life
        node_id = message.node.node_id if hasattr(message, "node") else message.node_id
        other = self._polls.is_past if path == DEACTIVATE else self._polls.is_another
        if other(node_id, life):
            self._refuse(request, turned_away.TAKEN_OVER)
            raise HTTPException(401, turned_away.TAKEN_OVER)

    def _check_speaker(self, request: Request) -> None:
        """What a node hands in is an answer of its own: Flower's handlers do not look.

        They would take from any node an answer in the name of another, and even an instruction.
        """
        path, message = request.scope["path"], request.state.protobuf_request
        if path == PUSH:
            heads = [one.metadata for one in message.messages_list]
            about = [head.reply_to_message_id for head in heads]
            own = all(about) and all(head.src_node_id == message.node.node_id for head in heads)
        elif path == CONFIRM:
            about, own = [message.message_object_id], True
        else:
            return
        takers = {self._polls.taken_by(one) for one in about} - {None, message.node.node_id}
        if takers or not own:
            self._refuse(request, turned_away.FOR_ANOTHER)
            raise HTTPException(403, turned_away.FOR_ANOTHER)

    def _check_name(self, request: Request) -> None:
        """Nobody comes online by the name that another key was registered under."""
        if not self.node_auth or request.scope["path"] != ACTIVATE:
            return
        claim = request.headers.get(NAME_HEADER, "")
        own, names = self._whose(request), bound(self._state().get_node_info())
        if own is None or claim == names[own] or claim not in names.values():
            return
        self._refuse(request, turned_away.NAMED_AS_ANOTHER, claim)
        raise HTTPException(403, f"{claim} {NAME_OF_ANOTHER}; this one's is {names[own]}")

    def _first_time(self, request: Request) -> bool:
        headers = request.headers
        return self._seen.first_time(
            headers[FLEET_HTTP_PUBLIC_KEY_HEADER],
            headers[TIMESTAMP_HEADER],
            headers[FLEET_HTTP_SIGNATURE_HEADER],
        )

    def _refuse(self, request: Request, reason: str, name: str = "") -> None:
        key = fingerprint_of_header(request.headers.get(FLEET_HTTP_PUBLIC_KEY_HEADER))
        self._away.add(key, address_of(request.scope), request.scope["path"], reason, name)

    def _fault(self, request: Request) -> str:
        """Which of Flower's checks a request did not pass: Flower itself does not say."""
        headers = request.headers
        if not headers.get(FLEET_HTTP_PUBLIC_KEY_HEADER):
            return turned_away.NO_KEY
        try:
            key = b64decode(headers[FLEET_HTTP_PUBLIC_KEY_HEADER], validate=True)
            signature = b64decode(headers[FLEET_HTTP_SIGNATURE_HEADER], validate=True)
            public = bytes_to_public_key(key)
            signed = headers[TIMESTAMP_HEADER]
            age = (now() - datetime.datetime.fromisoformat(signed)).total_seconds()
        except (KeyError, ValueError, TypeError, Error):
            return turned_away.BAD_KEY
        if not -SYSTEM_TIME_TOLERANCE < age < TIMESTAMP_TOLERANCE + SYSTEM_TIME_TOLERANCE:
            return turned_away.STALE
        if not verify_signature(public, signed.encode(), signature):
            return turned_away.FORGED
        known = self._state().get_node_id_by_public_key(key) is not None
        return turned_away.OTHER_NODE if known else turned_away.UNKNOWN_KEY

    def _state(self) -> LinkState:
        return cast(LinkState, self._flower.state.linkstate_factory.state())


def said_in(request: Request) -> Said:
    """What a request says of the node that makes it; a name that is none counts as not said."""
    headers = request.headers
    life = headers.get(LIFE_HEADER, "")
    name = headers.get(NAME_HEADER) or headers.get(DEFAULT_NAME_HEADER, "")
    return Said(life[:64], name if NAME.fullmatch(name) else "")
