"""Whose a name is: with node authentication its key's, without it whoever's says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from flwr.app import ConfigRecord, Message, RecordDict
from flwr.proto.control_pb2 import RegisterNodeRequest, RegisterNodeResponse
from flwr.proto.node_pb2 import NodeInfo

from fedsight.errors import FedsightError, UsageError
from fedsight.federated.fleet import NodeView
from fedsight.federated.governing import governing
from fedsight.federated.link import identity, roster
from fedsight.federated.link.caller import Caller, Place
from fedsight.federated.link.fleet_client import FleetClient, RefusedError
from fedsight.federated.link.grid import LinkGrid
from fedsight.federated.link.identity import Identity
from fedsight.federated.link.linked import Linked
from fedsight.federated.link.membership import Membership
from fedsight.federated.link.names import bound
from fedsight.federated.link.reports import PREFIX, NodeReports, Refusal
from fedsight.federated.link.superlink import SuperLink, SuperLinkOptions
from fedsight.federated.link.wire import Wire
from fedsight.federated.plan import Plan
from fedsight.federated.rounds.muster import Muster
from fedsight.federated.training import Steering, train
from fedsight.policy.audit.exporting import records
from fedsight.policy.files import init
from tests.federated.link.fleet import introducing, nodes
from tests.federated.link.warm_nodes import until, warm_node
from tests.federated.rounds.script import Said
from tests.federated.test_falling import Notes


class Ground:
    """A SuperLink that takes registered keys only, and what it refused."""

    def __init__(self, folder: Path) -> None:
        self.told: list[Refusal] = []
        self._folder = folder
        self._link = SuperLink(
            SuperLinkOptions(port=0, node_auth=True), on_refusal=self.told.append
        )
        self.place = Place(self._link.start())

    def key(self, name: str, *, called: str | None = None) -> Identity:
        """A key that is registered, under a name or, with `called`, another one."""
        made = identity.write(self._folder / name)
        with Membership(self.place) as members:
            members.register(self._folder / f"{name}.pub", name if called is None else called)
        return made

    def close(self) -> None:
        self._link.stop()


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    with closing(Ground(tmp_path)) as ground:
        yield ground


@contextmanager
def liar(ground: Ground, key: Identity, name: str) -> Iterator[Any]:
    """Flower's own client with that key, which answers that it is called so."""
    keys = (key.private, key.private.public_key())
    with nodes(str(ground.place.address), introducing(name, 0), keys=keys) as (node,):
        yield node


def came(ground: Ground, key: Identity, name: str) -> int:
    """A node of ours comes online as that name, and leaves; its id."""
    with closing(Wire(ground.place.address, None)) as wire:
        client = FleetClient(wire, key, name=name)
        node_id = client.join()
        client.leave()
        return node_id


def views(grid: LinkGrid) -> dict[str, NodeView]:
    return {view.name: view for view in grid.nodes()}


def introduced(grid: LinkGrid) -> dict[str, NodeView]:
    """Nodes by name, once all that are there have said who they are."""
    until(lambda: all(view.kind == "warm" for view in grid.nodes()))
    return views(grid)


def test_who_says_the_name_of_an_absent_member_is_refused_by_its_own(ground: Ground) -> None:
    ground.key("a")
    said = Said()
    with liar(ground, ground.key("b"), "a"), LinkGrid(ground.place, {}) as grid:
        found = introduced(grid)
        (judged,) = Muster(grid, 10.0, said).nodes()
    assert list(found) == ["b"]
    assert (found["b"].online, found["b"].verified) == (False, True)
    why = "it says that it is called a, which is the name of another key; its own is b"
    assert (found["b"].refused, found["b"].away) == (why, why)
    assert (judged.name, judged.online, judged.away) == ("b", False, why)
    assert said.events == [("NODE_REFUSED", None, "b", {"message": why})]


def test_who_says_another_name_that_is_nobody_s_is_called_as_its_key(ground: Ground) -> None:
    with liar(ground, ground.key("b"), "hospital"), LinkGrid(ground.place, {}) as grid:
        (view,) = introduced(grid).values()
    assert (view.name, view.online, view.verified, view.refused) == ("b", True, True, None)


def test_a_key_without_a_name_has_that_of_its_key_and_no_other(ground: Ground) -> None:
    key = identity.fresh()
    with closing(Caller(ground.place, wait_seconds=0)) as caller:
        request = RegisterNodeRequest(public_key=key.public)  # as Flower's own command does
        caller.once("/v1/control/register-node", request, RegisterNodeResponse)
    with liar(ground, key, "hospital-a"), LinkGrid(ground.place, {}) as grid:
        (view,) = introduced(grid).values()
    assert (view.name, view.online) == (f"key-{key.fingerprint}", True)


def test_one_that_is_refused_comes_in_once_it_takes_back_what_it_said(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roster, "ASK_AGAIN_SECONDS", 0.0)
    ground.key("a")
    key = ground.key("b")
    with LinkGrid(ground.place, {}) as grid:
        with liar(ground, key, "a"):
            assert not introduced(grid)["b"].online
        with liar(ground, key, "b"):
            until(lambda: views(grid)["b"].online)


def test_a_node_of_ours_is_told_that_its_name_is_another_s(ground: Ground) -> None:
    a, b = ground.key("a"), ground.key("b")
    with pytest.raises(RefusedError) as caught:
        came(ground, b, "a")
    assert "a is the name of another key; this one's is b" in str(caught.value)
    assert "start this node with --name" in str(caught.value)
    (refusal,) = ground.told
    assert (refusal.key, refusal.name, refusal.reason) == (
        b.fingerprint,
        "a",
        "the name of another key",
    )
    for key, name in ((a, "a"), (b, "b"), (b, ""), (b, "nobody"), (b, "not a name")):
        assert came(ground, key, name) > 0
    assert len(ground.told) == 1


def test_one_that_is_told_so_leaves_the_running_process_of_its_key_alone(
    ground: Ground, tmp_path: Path
) -> None:
    ground.key("a")
    key, memory = ground.key("b"), tmp_path / "id"
    with (
        closing(Wire(ground.place.address, None)) as wire,
        closing(Wire(ground.place.address, None)) as other,
        LinkGrid(ground.place, {}) as grid,
    ):
        good = FleetClient(wire, key, memory, name="b")
        content = RecordDict({"config": ConfigRecord({"n": 1})})
        (asked,) = grid.push_messages([Message(content, good.join(), "train")])
        assert good.poll() is not None
        with pytest.raises(RefusedError, match="a is the name of another key"):
            FleetClient(other, key, memory, name="a").join()
        good.beat()
        assert grid.get_node_ids() == [good.node_id]
        assert grid.pull_messages([asked]) == []  # it looks which messages were lost


def test_a_revoked_node_has_no_name_whatever_it_said(ground: Ground) -> None:
    came(ground, ground.key("b"), "hospital")
    with Membership(ground.place) as members, closing(Wire(ground.place.address, None)) as wire:
        members.revoke("b")
        told = msgspec.json.decode(wire.get(f"{PREFIX}/nodes", dict), type=NodeReports)
    (report,) = told.nodes
    assert (report.status, report.name) == ("unregistered", None)


def test_a_name_that_nobody_chose_keeps_no_node_out(ground: Ground) -> None:
    ground.key("host")
    key = ground.key("host-2")
    with closing(Wire(ground.place.address, None)) as wire:
        assert FleetClient(wire, key, name="host", chosen=False).join() > 0
        with pytest.raises(RefusedError):
            FleetClient(wire, key, name="host").join()


def test_a_name_is_registered_once_and_free_again_once_it_is_revoked(
    ground: Ground, tmp_path: Path
) -> None:
    ground.key("a")
    with pytest.raises(FedsightError, match=r"the name a is the key .* revoke that one first"):
        ground.key("second", called="a")
    for name in ("no name", "key-0123456789abcdef"):
        with pytest.raises(UsageError, match="a node's name must be"):
            ground.key(f"{len(name)}", called=name)
    with Membership(ground.place) as members:
        members.revoke("a")
        again = members.register(tmp_path / "second.pub", "a")
        assert [(one.name, one.verified) for one in members.members()] == [("a", True)]
    assert again.name == "a"


def test_a_key_is_registered_as_its_file_is_called(ground: Ground) -> None:
    ground.key("hospital-a", called="")
    with Membership(ground.place) as members:
        assert [one.name for one in members.members()] == ["hospital-a"]


def info(node_id: int, name: str, at: int, status: str = "online") -> NodeInfo:
    registered = f"2026-11-27T10:00:{at:02}+00:00"
    key = str(node_id).encode()
    return NodeInfo(
        node_id=node_id, name=name, registered_at=registered, status=status, public_key=key
    )


def test_of_two_keys_with_one_name_the_first_has_it() -> None:
    first, second = info(9, "a", 1), info(3, "a", 2)
    gone = info(1, "a", 0, "unregistered")
    assert bound([second, gone, first]) == {9: "a", 3: f"key-{identity.fingerprint(b'3')}"}
    odd = bound([info(1, "no name", 1), info(2, "key-" + identity.fingerprint(b"1"), 0)])
    assert len(set(odd.values())) == 2
    assert all(name.startswith("key-") for name in odd.values())


def test_without_node_authentication_names_are_what_nodes_say(
    superlink: SuperLink, tmp_path: Path
) -> None:
    place = Place(superlink.address)
    with (
        nodes(str(superlink.address), introducing("a", 0), introducing("a", 1)),
        LinkGrid(place, {}) as grid,
        closing(Wire(superlink.address, None)) as wire,
        Membership(place) as members,
    ):
        found = list(introduced(grid).values())
        FleetClient(wire, identity.fresh(), name="c").join()
        FleetClient(wire, identity.fresh(), name="d", chosen=False).join()
        listed = [(one.name, one.verified) for one in members.members()]
    assert sorted(view.name.split("~")[0] for view in found) == ["a", "a"]
    assert len({view.name for view in found}) == 2
    assert {view.verified for view in found} == {False}
    assert {("c", False), ("d", False)} <= set(listed)


def test_what_answers_there_later_does_not_make_claims_count(ground: Ground) -> None:
    with liar(ground, ground.key("b"), "a"), LinkGrid(ground.place, {}) as grid:
        assert list(introduced(grid)) == ["b"]
        grid._turns.reports = lambda: None  # type: ignore[method-assign]
        (view,) = grid.nodes()
    assert (view.name, view.verified) == ("b", True)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_governed_run_judges_and_trusts_keys_names(ground: Ground, tmp_path: Path) -> None:
    ground.key("a")
    rules, notes = tmp_path / "policy", Notes()
    init(rules)
    numbers = rules / "federation.toml"
    numbers.write_text(numbers.read_text().replace('members = ["*"]', 'members = ["a", "c"]'))
    plan = Plan.of({"task": "digits", "engine": "deployment", "nodes": 1, "rounds": 2, "epochs": 1})
    with (
        liar(ground, ground.key("b"), "a"),
        liar(ground, ground.key("d"), "c-to-be"),
        warm_node(
            ground.place.address, tmp_path, "c", who=ground.key("c"), partition=0, partitions=1
        ),
        governing(rules, tmp_path, notes) as govern,
    ):
        steering = Steering(govern=govern)
        outcome = train(plan, notes, run_id="r-1", steering=steering, link=Linked(ground.place, 1))
    assert (outcome.state, outcome.rounds) == ("finished", 2), outcome
    kept = [one.body for one in records(tmp_path / "audit", kind="decision")]
    asked = [one for one in kept if one["request"]["action"] == "train"]
    allowed = {one["request"]["principal"]["id"]: one["allowed"] for one in asked}
    assert allowed == {"c": True, "d": False}
    assert {one.node for one in notes.events("NODE_REFUSED")} == {"b"}
    assert {one.node for one in notes.events("CLIENT_REFUSED")} == {"d"}
    assert {one.node for one in notes.events("TRUST_CHANGED")} == {"c"}
    assert notes.events("RUN_STARTED")[0].details["names_verified"] is True
