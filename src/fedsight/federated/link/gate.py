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
from fedsight.federated.link.replay import Seen
from fedsight.federated.link.reports import ONLINE_ALREADY
from fedsight.federated.link.turned_away import TurnedAway, fingerprint_of_header

#: Flower's answers to a key that it does not know.
STRANGERS = {
    ApiErrorCode.FLEET_SUPERNODE_REGISTRATION_DISABLED,
    ApiErrorCode.FLEET_NODE_ACTIVATION_FAILED,
}


class Gate:
    """Lets requests of nodes in. With `node_auth` only keys that were registered, each signature
    once; without it any node may register itself, and signs all the same."""

    def __init__(self, flower: FastAPI, node_auth: bool, away: TurnedAway) -> None:
        self.node_auth = node_auth
        self._flower = flower
        self._away = away
        self._seen = Seen()

    @contextmanager
    def open(self, request: Request) -> Iterator[None]:
        """Within it the request is a node's. Raises HTTPException 401 where it is not."""
        try:
            authenticate_node(request)
        except HTTPException:
            self._refuse(request, self._fault(request))
            raise
        if self.node_auth and not self._first_time(request):
            self._refuse(request, turned_away.REPLAYED)
            raise HTTPException(401, "Replayed request")
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
        key = b64decode(request.headers[FLEET_HTTP_PUBLIC_KEY_HEADER])
        return self._state().get_node_id_by_public_key(key) is not None

    def _first_time(self, request: Request) -> bool:
        headers = request.headers
        return self._seen.first_time(
            headers[FLEET_HTTP_PUBLIC_KEY_HEADER],
            headers[TIMESTAMP_HEADER],
            headers[FLEET_HTTP_SIGNATURE_HEADER],
        )

    def _refuse(self, request: Request, reason: str) -> None:
        key = fingerprint_of_header(request.headers.get(FLEET_HTTP_PUBLIC_KEY_HEADER))
        self._away.add(key, address_of(request.scope), request.scope["path"], reason)

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
