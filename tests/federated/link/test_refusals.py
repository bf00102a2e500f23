"""Nodes and callers that a SuperLink turns away get nothing, and are told of."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from flwr.proto.control_pb2 import (
    ListNodesRequest,
    ListNodesResponse,
    RegisterNodeRequest,
    RegisterNodeResponse,
    UnregisterNodeRequest,
    UnregisterNodeResponse,
)
from flwr.proto.fleet_pb2 import PullMessagesRequest
from flwr.proto.node_pb2 import Node
from flwr.supercore.constant import FLEET_HTTP_SIGNATURE_HEADER

from fedsight.federated.link import turned_away
from fedsight.federated.link.address import Address
from fedsight.federated.link.fleet_client import FleetClient, RefusedError
from fedsight.federated.link.identity import Identity, fresh
from fedsight.federated.link.reports import LIFE_HEADER, Refusal, Refusals
from fedsight.federated.link.superlink import SuperLink, SuperLinkOptions
from fedsight.federated.link.wire import RejectedError, Wire

POLL = "/v1/fleet/pull-messages"
#: The order of the group of curve P-384 (FIPS 186-4, D.1.2.4).
P384_ORDER = int(
    "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973",
    16,
)


@pytest.fixture
def told() -> list[Refusal]:
    return []


@pytest.fixture
def guarded(told: list[Refusal]) -> Iterator[SuperLink]:
    """A SuperLink that takes registered keys only."""
    link = SuperLink(SuperLinkOptions(port=0, node_auth=True), on_refusal=told.append)
    link.start()
    yield link
    link.stop()


def control(link: SuperLink, call: str, request: Any, answer: Any) -> Any:
    with closing(Wire(link.address, None)) as wire:
        body = wire.post(f"/v1/control/{call}", request.SerializeToString(), dict)
    return answer.FromString(body)


def register(link: SuperLink, identity: Identity) -> int:
    request = RegisterNodeRequest(public_key=identity.public)
    return int(control(link, "register-node", request, RegisterNodeResponse).node_id)


@contextmanager
def joined(link: SuperLink, identity: Identity) -> Iterator[FleetClient]:
    with closing(Wire(link.address, None)) as wire:
        client = FleetClient(wire, identity)
        client._headers.pop(LIFE_HEADER)  # its requests here are no process's in particular
        client.join()
        yield client


def member(link: SuperLink, identity: Identity) -> int:
    """The id of a node that was registered and went online."""
    register(link, identity)
    with joined(link, identity) as client:
        return client.node_id


def poll(link: SuperLink, node_id: int, headers: dict[str, str]) -> bytes:
    request = PullMessagesRequest(node=Node(node_id=node_id))
    with closing(Wire(link.address, None)) as wire:
        return wire.post(POLL, request.SerializeToString(), lambda: headers)


def refused(link: SuperLink, node_id: int, headers: dict[str, str]) -> None:
    with pytest.raises(RejectedError) as caught:
        poll(link, node_id, headers)
    assert caught.value.status == 401


def reasons(link: SuperLink) -> dict[str, int]:
    with closing(Wire(link.address, None)) as wire:
        body = wire.get("/fedsight/v1/refusals?after=0", dict)
    return msgspec.json.decode(body, type=Refusals).by_reason


@contextmanager
def beginning(link: SuperLink, headers: dict[str, str]) -> Iterator[HTTPConnection]:
    """A request of 32 MB of which the first 2 MB were sent."""
    connection = HTTPConnection(link.address.host, link.address.port, timeout=3)
    with closing(connection):
        connection.putrequest("POST", "/v1/fleet/push-object")
        for name, value in {**headers, "Content-Length": str(2**25)}.items():
            connection.putheader(name, value)
        connection.endheaders()
        connection.send(bytes(2**21))
        yield connection


def test_a_long_body_is_taken_from_nodes_alone(guarded: SuperLink) -> None:
    with beginning(guarded, fresh().signed()) as stranger:
        assert stranger.getresponse().status == 401
    with beginning(guarded, {}) as nobody:
        assert nobody.getresponse().status == 401
    assert reasons(guarded) == {turned_away.UNKNOWN_KEY: 1, turned_away.NO_KEY: 1}
    identity = fresh()
    register(guarded, identity)
    with beginning(guarded, identity.signed()) as node, pytest.raises(TimeoutError):
        node.getresponse()  # it waits for the rest


def test_a_registered_node_is_let_in(guarded: SuperLink, told: list[Refusal]) -> None:
    identity = fresh()
    node_id = register(guarded, identity)
    with joined(guarded, identity) as client:
        assert client.node_id == node_id
        assert client.poll() is None
        client.beat()
    assert told == []


def test_an_unknown_key_gets_nothing(guarded: SuperLink, told: list[Refusal]) -> None:
    identity = fresh()
    with pytest.raises(RefusedError, match="does not know the key"), joined(guarded, identity):
        pass
    assert reasons(guarded) == {turned_away.UNKNOWN_KEY: 2}  # registering, then going online
    assert [each.key for each in told] == [identity.fingerprint]
    refused(guarded, register(guarded, fresh()), identity.signed())


def test_no_key_gets_nothing(guarded: SuperLink, told: list[Refusal]) -> None:
    refused(guarded, register(guarded, fresh()), {})
    (refusal,) = told
    assert (refusal.key, refusal.address, refusal.path, refusal.reason) == (
        "none",
        "127.0.0.1",
        POLL,
        turned_away.NO_KEY,
    )


def test_a_revoked_key_gets_nothing_from_then_on(guarded: SuperLink, told: list[Refusal]) -> None:
    identity = fresh()
    node_id = member(guarded, identity)
    control(
        guarded,
        "unregister-node",
        UnregisterNodeRequest(node_id=node_id),
        UnregisterNodeResponse,
    )
    refused(guarded, node_id, identity.signed())
    with pytest.raises(RefusedError), joined(guarded, identity):
        pass
    assert {each.reason for each in told} == {turned_away.UNKNOWN_KEY}


def test_a_replayed_request_gets_nothing(guarded: SuperLink, told: list[Refusal]) -> None:
    identity = fresh()
    node_id = member(guarded, identity)
    headers = identity.signed()
    poll(guarded, node_id, headers)
    refused(guarded, node_id, headers)
    assert [each.reason for each in told] == [turned_away.REPLAYED]
    poll(guarded, node_id, identity.signed())


def test_a_replay_with_the_signature_s_other_half_gets_nothing(guarded: SuperLink) -> None:
    identity = fresh()
    node_id = member(guarded, identity)
    headers = identity.signed()
    poll(guarded, node_id, headers)
    r, s = decode_dss_signature(b64decode(headers[FLEET_HTTP_SIGNATURE_HEADER]))
    other = encode_dss_signature(r, P384_ORDER - s)
    headers[FLEET_HTTP_SIGNATURE_HEADER] = b64encode(other).decode()
    refused(guarded, node_id, headers)
    assert reasons(guarded) == {turned_away.REPLAYED: 1}


def test_a_key_alone_is_not_the_process_that_is_online(guarded: SuperLink) -> None:
    identity = fresh()
    register(guarded, identity)
    with closing(Wire(guarded.address, None)) as wire:
        client = FleetClient(wire, identity)
        node_id = client.join()
        refused(guarded, node_id, identity.signed())
        assert client.poll() is None
    assert reasons(guarded) == {turned_away.TAKEN_OVER: 1}


def test_another_node_s_id_gets_nothing(guarded: SuperLink) -> None:
    first, second = fresh(), fresh()
    one = member(guarded, first)
    member(guarded, second)
    refused(guarded, one, second.signed())
    assert reasons(guarded) == {turned_away.OTHER_NODE: 1}


def test_a_signature_of_something_else_gets_nothing(guarded: SuperLink) -> None:
    identity = fresh()
    node_id = member(guarded, identity)
    forged = identity.signed() | {
        FLEET_HTTP_SIGNATURE_HEADER: fresh().signed()[FLEET_HTTP_SIGNATURE_HEADER]
    }
    refused(guarded, node_id, forged)
    assert reasons(guarded) == {turned_away.FORGED: 1}


def test_who_keeps_trying_is_told_once(guarded: SuperLink, told: list[Refusal]) -> None:
    node_id = register(guarded, fresh())
    for _ in range(5):
        refused(guarded, node_id, {})
    assert len(told) == 1
    assert reasons(guarded) == {turned_away.NO_KEY: 5}


def test_nodes_are_listed_as_flower_knows_them(guarded: SuperLink) -> None:
    node_id = register(guarded, fresh())
    found = control(guarded, "list-nodes", ListNodesRequest(), ListNodesResponse)
    assert [each.node_id for each in found.nodes_info] == [node_id]


def test_an_address_has_a_port_of_its_own(guarded: SuperLink) -> None:
    assert Address.of(str(guarded.address)) == guarded.address
