"""The options of a node: what is wrong is said before anything is started."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fedsight.errors import FedsightError, UsageError
from fedsight.federated.link import identity
from fedsight.federated.link.address import Address
from fedsight.federated.link.warm import NodeOptions, alone, is_plaintext, properties_of

HERE = Address("127.0.0.1", 8000)


def options(**given: Any) -> NodeOptions:
    return NodeOptions(**{"superlink": HERE, "name": "a", "data": Path("data")} | given)


def test_what_the_app_sees_of_its_node() -> None:
    config = options(
        partition=1, partitions=3, tags=("edge", "gpu"), properties={"site": "x"}
    ).config()
    assert config == {
        "site": "x",
        "name": "a",
        "tags": "edge,gpu",
        "kind": "warm",
        "partition-id": 1,
        "num-partitions": 3,
    }
    assert "partition-id" not in options().config()
    assert options(chosen=False).config()["name-chosen"] is False


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"partition": 1}, "belong together"),
        ({"partitions": 2}, "belong together"),
        ({"partition": 2, "partitions": 2}, "below 2, got 2"),
        ({"partition": -1, "partitions": 2}, "below 2, got -1"),
        ({"name": ""}, "got ''"),
        ({"name": "a/b"}, "got 'a/b'"),
    ],
)
def test_options_that_are_wrong_are_named(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        options(**given)


def test_properties_have_the_types_that_they_look_like() -> None:
    found = properties_of(["bandwidth-mbps=100", "load=0.5", "gpu=true", "site=Jena", "v=1.2.3"])
    assert found == {"bandwidth-mbps": 100, "load": 0.5, "gpu": True, "site": "Jena", "v": "1.2.3"}


@pytest.mark.parametrize("pair", ["", "a", "=1", "a=", "A=1", "a b=1", "name=x", "kind=stock"])
def test_a_property_that_is_none_is_refused(pair: str) -> None:
    with pytest.raises(UsageError, match="property"):
        properties_of([pair])


def test_plaintext_is_for_this_machine_unless_it_is_said() -> None:
    there, certificate = Address("10.0.0.5", 8000), Path("ca.crt")
    assert is_plaintext(HERE, None, insecure=False)
    assert is_plaintext(Address("localhost", 8000), None, insecure=False)
    assert not is_plaintext(HERE, certificate, insecure=False)
    assert not is_plaintext(there, None, insecure=False)
    assert not is_plaintext(Address("127.example.org", 8000), None, insecure=False)
    assert is_plaintext(there, None, insecure=True)


def test_one_name_is_one_process(tmp_path: Path) -> None:
    assert identity.NAME.fullmatch("a")
    with alone(tmp_path, "a"):
        with pytest.raises(FedsightError, match="a node called a runs"), alone(tmp_path, "a"):
            pass
        with alone(tmp_path, "b"):
            pass
    with alone(tmp_path, "a"):
        pass
