"""`fedsight node` and the SuperLink's list of nodes, against a real SuperLink."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedsight.federated.link.superlink import SuperLink, SuperLinkOptions
from tests.cli.command import fedsight, started

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture
def guarded() -> Iterator[str]:
    """The address of a SuperLink that takes registered nodes only."""
    link = SuperLink(SuperLinkOptions(port=0, node_auth=True))
    yield str(link.start())
    link.stop()


def listed(data: Path, superlink: str) -> list[dict[str, str]]:
    done = fedsight(data, "node", "list", "--superlink", superlink, "--json")
    assert done.returncode == 0, done.stderr
    found: list[dict[str, str]] = json.loads(done.stdout)
    return found


def test_a_node_is_let_in_listed_and_shut_out(guarded: str, tmp_path: Path) -> None:
    data, key = tmp_path / "data", tmp_path / "a"
    fedsight(data, "keys", "new", str(key))
    unknown = fedsight(data, "node", "--superlink", guarded, "--name", "a", "--key", str(key))
    assert unknown.returncode == 1
    assert "Traceback" not in unknown.stderr
    assert "fedsight node register" in unknown.stderr.splitlines()[-1]

    at = ("--superlink", guarded)
    added = fedsight(data, "node", "register", f"{key}.pub", "--name", "hospital-a", *at)
    assert added.returncode == 0, added.stderr
    assert added.stdout.endswith(", called hospital-a\n")
    twice = fedsight(data, "node", "register", f"{key}.pub", *at)
    assert twice.returncode == 1
    assert "was registered" in twice.stderr
    other = tmp_path / "other"
    fedsight(data, "keys", "new", str(other))
    fedsight(data, "node", "register", f"{other}.pub", "--name", "a", *at)
    with started(data, "node", *at, "--key", str(key)) as node:  # it does not say that it is a
        deadline = time.monotonic() + 120
        while [one["status"] for one in listed(data, guarded)] != ["online", "registered"]:
            assert time.monotonic() < deadline
        there, _ = listed(data, guarded)
        assert (there["name"], there["verified"]) == ("hospital-a", True)
        shown = fedsight(data, "node", "list", *at).stdout
        assert " hospital-a\n" in shown
        gone = fedsight(data, "node", "revoke", "hospital-a", *at)
        assert gone.returncode == 0, gone.stderr
        _, said = node.communicate(timeout=30)
    assert node.returncode == 1
    assert said.splitlines()[-1].startswith("fedsight: the SuperLink")
    assert [one["name"] for one in listed(data, guarded)] == ["a"]
    nobody = fedsight(data, "node", "revoke", "hospital-a", *at)
    assert (nobody.returncode, "knows no node" in nobody.stderr) == (2, True)


def test_a_node_ends_gently_and_its_name_is_taken_meanwhile(tmp_path: Path) -> None:
    link = SuperLink(SuperLinkOptions(port=0))
    superlink = str(link.start())
    data = tmp_path / "data"
    try:
        with started(data, "node", "--superlink", superlink, "--name", "a") as node:
            deadline = time.monotonic() + 120
            while [one["status"] for one in listed(data, superlink)] != ["online"]:
                assert time.monotonic() < deadline
            second = fedsight(data, "node", "--superlink", superlink, "--name", "a")
            node.send_signal(signal.SIGINT)
            node.communicate(timeout=30)
        (left,) = listed(data, superlink)
        shown = fedsight(data, "node", "list", "--superlink", superlink).stdout
    finally:
        link.stop()
    assert second.returncode == 1
    assert "a node called a runs on the data directory" in second.stderr
    assert node.returncode == 0
    assert left["status"] == "offline"
    assert (left["name"], left["verified"]) == ("a", False)
    assert shown.endswith(" a (unverified)\n")


def test_a_node_that_says_the_name_of_another_key_ends_and_says_why(
    guarded: str, tmp_path: Path
) -> None:
    data, at = tmp_path / "data", ("--superlink", guarded)
    for name in ("a", "b"):
        fedsight(data, "keys", "new", str(tmp_path / name))
        assert (
            fedsight(data, "node", "register", str(tmp_path / f"{name}.pub"), *at).returncode == 0
        )
    done = fedsight(data, "node", *at, "--name", "a", "--key", str(tmp_path / "b"))
    assert done.returncode == 1
    said = done.stderr.splitlines()[-1]
    assert "a is the name of another key; this one's is b" in said
    assert "start this node with --name" in said


def test_a_node_waits_for_a_superlink_and_says_so_once(tmp_path: Path) -> None:
    with started(tmp_path / "data", "node", "--superlink", "127.0.0.1:1", "--name", "a") as node:
        assert node.stderr is not None
        said = next(line for line in node.stderr if "waits for the SuperLink" in line)
        time.sleep(3)
        node.send_signal(signal.SIGTERM)
        _, more = node.communicate(timeout=30)
    assert node.returncode == 0
    assert "Connection refused" in said
    assert "waits for" not in more


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--superlink", "10.0.0.5:x"), "superlink must be HOST:PORT, got '10.0.0.5:x'"),
        (("--partition", "2"), "--partition and --of belong together"),
        (("--property", "cpu"), "property must be key=value"),
        (("--key", "nowhere"), "cannot read the key nowhere"),
        (("--root-cert", "nowhere"), "cannot read the certificate nowhere"),
    ],
)
def test_wrong_options_are_told_in_a_sentence(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    done = fedsight(tmp_path / "data", "node", "--name", "a", *arguments)
    assert done.returncode == 2
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
